//! The requests for login, roles, accounts and access keys: the rest of the table.

use serde_json::json;

use super::table::{Row, admin, nobody, reader, row};

pub(super) fn rows() -> Vec<Row> {
    let role = json!({"id": "release", "resource": "release/*", "permissions": ["read"]});
    let account = json!({"name": "ci", "roles": ["developer"]});
    let key = json!({"owner": "account:ci", "description": "Runner 7"});
    vec![
        row("GET /api/v1/auth", vec![nobody()]),
        row("GET /.well-known/oauth-protected-resource", vec![nobody()]),
        row("GET /rbac/roles", vec![admin(), reader().gives(403)]),
        row(
            "POST /rbac/roles",
            vec![
                admin().json(role.clone()).gives(201),
                admin().json(role.clone()).gives(409),
                admin().json(json!({"permissions": ["read"]})).gives(400),
                reader().json(role.clone()).gives(403),
            ],
        ),
        row(
            "GET /rbac/roles/{roleId}",
            vec![
                admin().with("roleId", "release"),
                admin().with("roleId", "none").gives(404),
                reader().with("roleId", "release").gives(403),
            ],
        ),
        row(
            "PUT /rbac/roles/{roleId}",
            vec![
                admin().with("roleId", "release").json(role.clone()),
                admin().with("roleId", "none").json(role.clone()).gives(404),
                admin().with("roleId", "release").json(json!({"permissions": ["fly"]})).gives(400),
                reader().with("roleId", "release").json(role).gives(403),
            ],
        ),
        row(
            "POST /rbac/users/{userId}/roles",
            vec![
                admin().with("userId", "alice").json(json!({"roleId": "release"})),
                admin().with("userId", "alice").json(json!({"roleId": "none"})).gives(404),
                admin().with("userId", "planet:mars").json(json!({"roleId": "release"})).gives(400),
                reader().with("userId", "alice").json(json!({"roleId": "release"})).gives(403),
            ],
        ),
        row(
            "DELETE /rbac/roles/{roleId}",
            vec![
                reader().with("roleId", "release").gives(403),
                admin().with("roleId", "release").gives(204),
                admin().with("roleId", "release").gives(404),
            ],
        ),
        row(
            "POST /rbac/validate",
            vec![
                admin().json(json!({"token": "eyJhbGciOiJub25lIn0.e30."})),
                admin().json(json!({})).gives(400),
                reader().json(json!({"token": "x"})).gives(403),
            ],
        ),
        row(
            "POST /rbac/accounts",
            vec![
                admin().json(account.clone()).gives(201),
                admin().json(account.clone()).gives(409),
                admin().json(json!({"name": "Not A Name"})).gives(400),
                reader().json(account.clone()).gives(403),
            ],
        ),
        row("GET /rbac/accounts", vec![admin(), reader().gives(403)]),
        row(
            "GET /rbac/accounts/{name}",
            vec![
                admin().with("name", "ci"),
                admin().with("name", "none").gives(404),
                reader().with("name", "ci").gives(403),
            ],
        ),
        row(
            "PUT /rbac/accounts/{name}",
            vec![
                admin().with("name", "ci").json(account.clone()),
                admin().with("name", "none").json(account.clone()).gives(404),
                admin().with("name", "ci").json(json!({"roles": [""]})).gives(400),
                reader().with("name", "ci").json(account).gives(403),
            ],
        ),
        row(
            "POST /rbac/access-keys",
            vec![
                admin().json(key.clone()).gives(201).keep("key", "/id"),
                admin().json(json!({"owner": "account:none"})).gives(404),
                admin().json(json!({"owner": "nobody"})).gives(400),
                reader().json(key).gives(403),
            ],
        )
        // too many, and of a disabled one: held.rs
        .rare(&[409]),
        row("GET /rbac/access-keys", vec![admin().query("?owner=account:ci"), reader().gives(403)]),
        row(
            "GET /rbac/access-keys/{id}",
            vec![
                admin().with("id", "$key"),
                admin().with("id", "none").gives(404),
                reader().with("id", "$key").gives(403),
            ],
        ),
        row(
            "PATCH /rbac/access-keys/{id}",
            vec![
                admin().with("id", "$key").json(json!({"expiresAt": "2099-01-01T00:00:00Z"})),
                admin().with("id", "none").json(json!({"disabled": true})).gives(404),
                admin().with("id", "$key").json(json!({"expiresAt": "soon"})).gives(400),
                reader().with("id", "$key").json(json!({"disabled": true})).gives(403),
            ],
        ),
        row(
            "POST /rbac/access-keys/{id}/rotate",
            vec![
                admin().with("id", "$key").json(json!({"graceSeconds": 60})).gives(201),
                admin().with("id", "none").json(json!({})).gives(404),
                admin().with("id", "$key").json(json!({"graceSeconds": -1})).gives(400),
                reader().with("id", "$key").json(json!({})).gives(403),
            ],
        )
        .rare(&[409]),
        row(
            "DELETE /rbac/access-keys/{id}",
            vec![
                reader().with("id", "$key").gives(403),
                admin().with("id", "$key").gives(204),
                admin().with("id", "$key").gives(404),
            ],
        ),
        row(
            "DELETE /rbac/accounts/{name}",
            vec![
                reader().with("name", "ci").gives(403),
                admin().with("name", "ci").gives(204),
                admin().with("name", "ci").gives(404),
            ],
        ),
        row(
            "POST /rbac/revocations",
            vec![
                admin().json(json!({"principal": "user:alice"})).gives(204),
                admin().json(json!({"principal": "*"})).gives(400),
                reader().json(json!({"principal": "user:alice"})).gives(403),
            ],
        ),
    ]
}
