//! Decides which sites' pages may send requests: a page of another site must not start or delete jobs through the
//! browser of a user who can reach this server.

use std::net::{IpAddr, SocketAddr};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, web};

use super::Api;
use super::error::ApiError;
use super::forwarded::Forwarded;
use crate::config;
use crate::refusal::{Code, Refusal};

const SETTING: &str = "server.hosts";

/// The names under which this site is known.
pub(super) struct Site {
    /// Whether any host name is accepted: a server that listens beyond this machine cannot know its names. One that
    /// listens on this machine only accepts none but the known names, since the page of an attacker's name that
    /// resolves to this machine has that name as its origin (DNS rebinding).
    any_name: bool,
    names: Vec<String>,
}

/// Middleware that refuses requests which another site's page may have sent.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let site = request.app_data::<web::Data<Api>>().map(|api| &api.site);
    match site.map_or(Ok(()), |site| site.check(request.request())) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => Ok(request.error_response(ApiError::from(refusal)).map_into_right_body()),
    }
}

impl Site {
    pub(super) fn new(address: SocketAddr, config: &config::Server) -> Self {
        let any_name = !address.ip().is_loopback() && config.hosts.is_empty();
        Self { any_name, names: config.hosts.clone() }
    }

    fn check(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let extensions = request.extensions();
        let forwarded = extensions.get::<Forwarded>();
        // Checked in addition to `Host`, never instead: a page can send these headers to its own origin, too.
        let passed = forwarded.into_iter().flat_map(|forwarded| &forwarded.hosts);
        let hosts = text(request.headers(), &HOST).into_iter().chain(passed.map(String::as_str));
        let hosts: Vec<&str> = hosts.collect();
        if let Some(host) = hosts.iter().find(|host| !self.any_name && !self.is_ours(host)) {
            let what = "this server is not known by the name that the request is for";
            return Err(Refusal::new(Code::ForeignSite, what)
                .value(format!("{host:?}"))
                .limit("localhost, an address or a listed name", SETTING));
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if reads || self.is_from_here(request.headers(), &hosts) {
            return Ok(());
        }
        let origin = text(request.headers(), &ORIGIN).unwrap_or("another site");
        let what = "a page of another site may change nothing on this server";
        Err(Refusal::new(Code::ForeignSite, what)
            .value(origin)
            .limit("this server's own page, or one of a listed name", SETTING))
    }

    fn is_ours(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host();
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let local = name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost");
        address || local || self.is_listed(name)
    }

    fn is_listed(&self, name: &str) -> bool {
        self.names.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    }

    /// Whether a request that changes something may come from this site's page. A client that is not a browser sends
    /// neither header, and no page can leave both out.
    fn is_from_here(&self, headers: &HeaderMap, hosts: &[&str]) -> bool {
        match (text(headers, &HeaderName::from_static("sec-fetch-site")), text(headers, &ORIGIN)) {
            (Some(site), None) => ["same-origin", "none"].contains(&site),
            (Some("same-origin" | "none"), _) | (None, None) => true,
            (_, Some(origin)) => {
                let origin: Option<Uri> = origin.parse().ok();
                let authority = origin.as_ref().and_then(Uri::authority);
                authority.is_some_and(|origin| {
                    // A proxy may send its own name for this server as `Host`, and that of the client beside it.
                    hosts.iter().any(|host| origin.as_str().eq_ignore_ascii_case(host))
                        || self.is_listed(origin.host())
                })
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::HttpMessage;
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::Site;
    use crate::config::Config;
    use crate::http::forwarded::Proxies;

    fn site(listen: &str, hosts: &[&str]) -> Site {
        let mut config = Config::default().server;
        config.hosts = hosts.iter().map(ToString::to_string).collect();
        Site::new(listen.parse().unwrap(), &config)
    }

    fn may(site: &Site, method: Method, headers: &[(&'static str, &str)]) -> bool {
        let request = TestRequest::default().method(method);
        let request =
            headers.iter().fold(request, |request, header| request.insert_header(*header));
        let request = request.to_http_request();
        // A proxy on this machine, or a browser here with a page whose name resolves to this machine.
        let peer = Some("127.0.0.1:9".parse().unwrap());
        let forwarded = Proxies::new(&Config::default().server).read(peer, request.headers());
        request.extensions_mut().insert(forwarded);
        site.check(&request).is_ok()
    }

    #[test]
    fn pages_of_other_sites_may_read_but_not_write() {
        let site = site("127.0.0.1:5001", &[]);
        let here = ("host", "localhost:5001");
        for (headers, allowed) in [
            (vec![here], true),
            (vec![here, ("origin", "http://localhost:5001")], true),
            (vec![here, ("sec-fetch-site", "same-origin")], true),
            (vec![here, ("sec-fetch-site", "none")], true),
            (vec![here, ("sec-fetch-site", "same-origin"), ("origin", "https://our.name")], true),
            (vec![here, ("sec-fetch-site", "cross-site")], false),
            (vec![here, ("sec-fetch-site", "same-site")], false),
            (vec![here, ("origin", "http://localhost:8080")], false),
            (vec![here, ("origin", "http://evil.example")], false),
            (vec![here, ("origin", "null")], false),
        ] {
            assert_eq!(may(&site, Method::POST, &headers), allowed, "{headers:?}");
            assert!(may(&site, Method::GET, &headers), "{headers:?}");
        }
    }

    #[test]
    fn a_local_server_answers_only_to_local_names_and_listed_ones() {
        let hosts = ["localhost:5001", "LOCALHOST", "a.localhost", "127.0.0.1:5001", "[::1]:5001"];
        let (local, listed) = (site("127.0.0.1:5001", &[]), site("0.0.0.0:1", &["Our.Name"]));
        for host in hosts {
            assert!(may(&local, Method::GET, &[("host", host)]), "{host}");
            assert!(may(&listed, Method::GET, &[("host", host)]), "{host}");
        }
        let rebound = [("host", "evil.example:5001"), ("origin", "http://evil.example:5001")];
        for method in [Method::GET, Method::POST] {
            assert!(!may(&local, method.clone(), &rebound));
            assert!(!may(&listed, method.clone(), &rebound));
            assert!(may(&listed, method.clone(), &[("host", "our.name")]));
            assert!(may(&site("0.0.0.0:1", &[]), method, &rebound));
        }
    }

    #[test]
    fn a_name_that_a_proxy_passes_on_is_checked_beside_the_other() {
        let (here, passed) = (("host", "127.0.0.1:5001"), |name| ("x-forwarded-host", name));
        let origin = ("origin", "https://our.name");
        let (local, listed) = (site("127.0.0.1:5001", &[]), site("127.0.0.1:5001", &["our.name"]));
        let open = site("0.0.0.0:1", &[]);
        for method in [Method::GET, Method::POST] {
            let may = |site: &Site, headers: &[(&'static str, &str)]| {
                super::tests::may(site, method.clone(), headers)
            };
            assert!(may(&listed, &[here, passed("our.name"), origin]));
            assert!(may(&open, &[here, passed("our.name"), origin]));
            assert!(may(&listed, &[here, passed("localhost, our.name:443")]));
            for site in [&local, &listed] {
                assert!(!may(site, &[here, passed("evil.example")]));
                assert!(!may(site, &[here, passed("localhost, evil.example")]));
                assert!(!may(site, &[("host", "evil.example"), passed("localhost")]));
            }
            assert!(!may(&local, &[here, passed("our.name"), origin]));
        }
    }
}
