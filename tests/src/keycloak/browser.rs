//! A person with a browser, who follows redirects, keeps cookies and fills in Keycloak's forms.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Url, redirect};

use crate::client::Reply;

/// More steps than any sign-in takes: a page that comes again and again is an error.
const MOST_STEPS: usize = 15;

/// A browser that nobody signed in with yet.
pub(super) struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

/// A page and its URL.
struct Page {
    url: Url,
    reply: Reply,
}

impl Browser {
    pub(super) fn new() -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build();
        Self { http: http.expect("an HTTP client"), cookies: BTreeMap::new() }
    }

    /// Fills in forms until a page has none.
    pub(super) async fn sign_in_and_grant(mut self, url: &str, user: &str, password: &str) {
        let mut page = self.open(Url::parse(url).expect("a URL")).await;
        let mut granted = false;
        for _ in 0..MOST_STEPS {
            let html = page.html();
            let Some(form) = Form::first(&html) else {
                assert!(granted, "no page asked for a grant: {}", page.reply);
                return;
            };
            let mut fields = form.hidden();
            if form.asks_for("username") {
                fields.extend([("username".to_owned(), user.to_owned()), ("password".to_owned(), password.to_owned())]);
            } else if form.asks_for("accept") {
                fields.push(("accept".to_owned(), "Yes".to_owned()));
                granted = true;
            } else {
                panic!("a form that nobody knows: {html}");
            }
            let action = page.url.join(&form.action()).expect("where the form goes");
            page = self.follow(self.http.post(action.clone()).form(&fields), action).await;
        }
        panic!("signing in does not end: {}", page.reply);
    }

    async fn open(&mut self, url: Url) -> Page {
        self.follow(self.http.get(url.clone()), url).await
    }

    /// Sends a request and follows redirects.
    async fn follow(&mut self, mut request: RequestBuilder, mut url: Url) -> Page {
        for _ in 0..MOST_STEPS {
            let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            let reply = Reply::to(request.header(COOKIE, cookies.collect::<Vec<_>>().join("; "))).await;
            self.keep_cookies(&reply);
            let Some(location) = reply.headers.get(LOCATION) else {
                assert!(reply.status.is_success(), "{reply}");
                return Page { url, reply };
            };
            url = url.join(location.to_str().expect("a location")).expect("a URL");
            request = self.http.get(url.clone());
        }
        panic!("led on and on, at last to {url}");
    }

    /// All cookies are of one realm, so their paths do not matter.
    fn keep_cookies(&mut self, reply: &Reply) {
        for cookie in reply.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie");
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            if attributes.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    fn html(&self) -> String {
        String::from_utf8_lossy(&self.reply.body).into_owned()
    }
}

/// A form of a page, from its tag to its end.
struct Form<'a>(&'a str);

impl<'a> Form<'a> {
    fn first(html: &'a str) -> Option<Self> {
        let (_, form) = html.split_once("<form ")?;
        Some(Self(form.split_once("</form>").map_or(form, |(form, _)| form)))
    }

    fn action(&self) -> String {
        let tag = self.0.split('>').next().unwrap_or_default();
        attribute(tag, "action").unwrap_or_else(|| panic!("the form goes nowhere: {tag}"))
    }

    fn tags(&self, tag: &str) -> impl Iterator<Item = &'a str> {
        self.0.split(tag).skip(1).map(|rest| rest.split('>').next().unwrap_or_default())
    }

    /// Whether the form has a field or button of this name.
    fn asks_for(&self, name: &str) -> bool {
        self.tags("<input ").chain(self.tags("<button ")).any(|tag| attribute(tag, "name").as_deref() == Some(name))
    }

    fn hidden(&self) -> Vec<(String, String)> {
        let hidden = self.tags("<input ").filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
        hidden
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default())))
            .collect()
    }
}

/// The value of a tag's attribute. Of escapes it knows those that URLs need.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (before, rest) = tag.split_once(&format!("{name}=\""))?;
    if !before.is_empty() && !before.ends_with(char::is_whitespace) {
        return attribute(rest, name); // the end of a longer name
    }
    Some(rest.split('"').next().unwrap_or_default().replace("&amp;", "&"))
}
