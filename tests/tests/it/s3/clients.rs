//! S3 tools and client libraries, unmodified.

use zot_tests::backend::Backend;
use zot_tests::client::digest;
use zot_tests::cluster::Cluster;
use zot_tests::server::{ADMIN, Server, Setup};
use zot_tests::tools::{Home, Run, tool};
use zot_tests::workspace;

use super::{guarded, root, with_keys};

crate::on_both_backends!(
    aws_cli_copies_syncs_and_removes,
    rclone_syncs_both_ways,
    s3cmd_puts_gets_and_lists,
    restic_backs_up_checks_and_prunes,
    the_sdk_for_javascript_passes,
    go_clients_pass,
    fsspec_reads_ranges,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pass_when_each_request_meets_another_of_three_replicas() {
    let setup = Setup::on(&Backend::PostgresS3.fresh().await).with_access_control().with_s3_port();
    let cluster = Cluster::start(setup).await;
    let proxy = cluster.s3_proxy().await;
    let endpoint = root(proxy.address());
    aws(&endpoint).await;
    rclone(&endpoint).await;
    s3cmd(&endpoint).await;
    restic(&endpoint).await;
    script("node-s3", "tests/clients/node/suite.mjs", &endpoint).await;
    script("python-fsspec", "tests/clients/fsspec/ranges.py", &endpoint).await;
    with_keys(Home::new().command(tool("go-s3").await), &endpoint).ok().await;
}

async fn aws_cli_copies_syncs_and_removes(backend: Backend) {
    aws(&endpoint(&guarded(backend).await)).await;
}

async fn rclone_syncs_both_ways(backend: Backend) {
    let server = guarded(backend).await;
    rclone(&endpoint(&server)).await;
}

async fn s3cmd_puts_gets_and_lists(backend: Backend) {
    let server = guarded(backend).await;
    s3cmd(&endpoint(&server)).await;
}

async fn restic_backs_up_checks_and_prunes(backend: Backend) {
    let server = guarded(backend).await;
    restic(&endpoint(&server)).await;
}

async fn the_sdk_for_javascript_passes(backend: Backend) {
    let server = guarded(backend).await;
    script("node-s3", "tests/clients/node/suite.mjs", &endpoint(&server)).await;
}

async fn go_clients_pass(backend: Backend) {
    let server = guarded(backend).await;
    with_keys(Home::new().command(tool("go-s3").await), &endpoint(&server)).ok().await;
}

async fn fsspec_reads_ranges(backend: Backend) {
    let server = guarded(backend).await;
    script("python-fsspec", "tests/clients/fsspec/ranges.py", &endpoint(&server)).await;
}

fn endpoint(server: &Server) -> String {
    root(server.s3_address())
}

async fn script(runner: &str, path: &str, endpoint: &str) {
    let home = Home::new();
    with_keys(home.command(tool(runner).await).arg(workspace().join(path)), endpoint).ok().await;
}

/// A folder of files, one of them large enough to be uploaded in parts.
fn fill(home: &Home) {
    std::fs::create_dir_all(home.path().join("tree/sub")).expect("creating folders");
    home.write("tree/small.txt", "small");
    home.write("tree/sub/ü name.bin", b"x".repeat(100_000));
    home.write("tree/sub/large.bin", b"0123456789abcdef".repeat(1_250_000));
}

fn assert_same_tree(home: &Home, copy: &str) {
    for name in ["small.txt", "sub/ü name.bin", "sub/large.bin"] {
        assert_eq!(digest(&home.read(format!("{copy}/{name}"))), digest(&home.read(format!("tree/{name}"))), "{name}");
    }
}

/// One of the programs that came with the Python packages.
async fn python_program(home: &Home, name: &str) -> Run {
    let environment = format!("{}.env", tool("python-s3").await.display());
    home.command(format!("{environment}/bin/{name}"))
}

async fn aws(endpoint: &str) {
    let home = Home::new();
    fill(&home);
    std::fs::create_dir(home.path().join(".aws")).expect("creating a folder");
    // version 1 of the tool presigns by SigV2 in this region, which no store should take any more
    home.write(".aws/config", "[default]\ns3 =\n    signature_version = s3v4\n");
    let run = async |words: &str| {
        let command = python_program(&home, "aws").await.words(&format!("--endpoint-url {endpoint}")).words(words);
        with_keys(command, endpoint).ok().await
    };
    run("s3 mb s3://aws-cli").await;
    run("s3 cp --recursive tree s3://aws-cli/tree").await;
    let listed = run("s3 ls --recursive s3://aws-cli").await;
    assert!(listed.stdout.contains("tree/sub/large.bin") && listed.stdout.contains("20000000"), "{listed}");
    run("s3 sync s3://aws-cli/tree back").await;
    assert_same_tree(&home, "back");
    let url = run("s3 presign s3://aws-cli/tree/small.txt").await.stdout;
    assert_eq!(reqwest::get(url.trim()).await.expect("a response").text().await.expect("a body"), "small");
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::aws-cli/tree/*"}]}"#;
    home.write("policy.json", policy);
    run("s3api put-bucket-policy --bucket aws-cli --policy file://policy.json").await;
    let kept = run("s3api get-bucket-policy --bucket aws-cli --query Policy --output text").await;
    assert_eq!(kept.stdout.trim(), policy);
    let public = run("s3api get-bucket-policy-status --bucket aws-cli --query PolicyStatus.IsPublic").await;
    assert_eq!(public.stdout.trim(), "true");
    run(
        "s3api put-public-access-block --bucket aws-cli --public-access-block-configuration RestrictPublicBuckets=true",
    )
    .await;
    let block = run("s3api get-public-access-block --bucket aws-cli").await;
    assert!(block.stdout.contains("\"RestrictPublicBuckets\": true"), "{block}");
    run("s3api delete-public-access-block --bucket aws-cli").await;
    run("s3api delete-bucket-policy --bucket aws-cli").await;
    run("s3 rb --force s3://aws-cli").await;
    let gone = run("s3 ls").await;
    assert!(!gone.stdout.contains("aws-cli"), "{gone}");
}

async fn rclone(endpoint: &str) {
    let home = Home::new();
    fill(&home);
    let config = format!(
        "[store]\ntype = s3\nprovider = Other\nregion = us-east-1\nendpoint = {endpoint}\naccess_key_id = {}\nsecret_access_key = {}\n",
        ADMIN.id, ADMIN.secret
    );
    home.write("rclone.conf", config);
    let program = tool("rclone").await;
    let run = async |words: &str| home.command(&program).words("--config rclone.conf").words(words).ok().await;
    run("mkdir store:rclone").await;
    run("sync tree store:rclone/tree --s3-chunk-size 5M --s3-upload-cutoff 6M").await;
    run("check tree store:rclone/tree --download").await;
    run("sync store:rclone/tree back").await;
    assert_same_tree(&home, "back");
    run("moveto store:rclone/tree/small.txt store:rclone/tree/moved.txt").await;
    std::fs::remove_file(home.path().join("tree/small.txt")).expect("removing a file");
    run("sync tree store:rclone/tree").await;
    run("check tree store:rclone/tree").await;
    run("purge store:rclone").await;
}

async fn s3cmd(endpoint: &str) {
    let home = Home::new();
    fill(&home);
    let host = endpoint.trim_start_matches("http://");
    let run = async |words: &str| {
        let flags = format!("--no-ssl --host={host} --host-bucket={host} --region=us-east-1");
        let keys = format!("--access_key={} --secret_key={}", ADMIN.id, ADMIN.secret);
        python_program(&home, "s3cmd").await.words(&flags).words(&keys).words(words).ok().await
    };
    run("mb s3://s3cmd-tests").await;
    run("put --recursive --multipart-chunk-size-mb=5 tree s3://s3cmd-tests/").await;
    let listed = run("ls --recursive s3://s3cmd-tests").await;
    assert!(listed.stdout.contains("s3://s3cmd-tests/tree/sub/large.bin"), "{listed}");
    run("info s3://s3cmd-tests/tree/small.txt").await;
    std::fs::create_dir(home.path().join("back")).expect("creating a folder");
    run("get --recursive s3://s3cmd-tests/tree/ back/").await;
    assert_same_tree(&home, "back");
    run("rb --recursive --force s3://s3cmd-tests").await;
}

async fn restic(endpoint: &str) {
    let home = Home::new();
    fill(&home);
    let program = tool("restic").await;
    let run = async |words: &str| {
        let command = home.command(&program).words(&format!("-r s3:{endpoint}/restic --no-cache")).words(words);
        with_keys(command, endpoint).env("RESTIC_PASSWORD", "secret").ok().await
    };
    run("init").await;
    run("backup tree").await;
    home.write("tree/new.txt", "new");
    run("backup tree").await;
    run("check --read-data").await;
    run("restore latest --target back --path tree --include tree").await;
    run("forget --keep-last 1 --prune").await;
    run("check").await;
    let left = run("snapshots").await;
    assert!(left.stdout.contains("1 snapshots"), "{left}");
}
