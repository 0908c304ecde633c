//! Reads the `X-Forwarded-*` headers of trusted proxies, and handles the path below which they offer this server.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, LOCATION};
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tracing::debug;

use super::Api;
use crate::config::{self, BasePath, Network};

/// The trusted proxies, and the configured base path.
pub(super) struct Proxies {
    trusted: Vec<Network>,
    base: BasePath,
}

/// A request as the client sent it, before trusted proxies passed it on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The address of the client.
    pub(super) client: Option<IpAddr>,
    /// `http` or `https`, if a proxy says so.
    proto: Option<String>,
    /// The host names in `X-Forwarded-Host`.
    pub(super) hosts: Vec<String>,
    /// The path below which the client sees this server.
    pub(super) prefix: BasePath,
}

/// Middleware that attaches a [`Forwarded`] to each request, and removes the base path from its path, if it is there.
pub(super) async fn enter(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let Some(api) = request.app_data::<web::Data<Api>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let seen = api.proxies.read(request.peer_addr(), request.headers());
    // Not the prefix in `X-Forwarded-Prefix`: with that, a client could reach a path that its proxy forbids.
    let rest = api.proxies.base.strip(request.path()).map(str::to_owned);
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let (client, proto) = (seen.client, seen.proto.clone());
    request.extensions_mut().insert(seen);
    let response = match rest.as_deref() {
        // Redirected, since relative addresses in the page need the slash at the end.
        Some("") => request.into_response(to_folder(&path)).map_into_right_body(),
        rest => {
            if let Some(rest) = rest {
                replace_path(&mut request, rest);
            }
            next.call(request).await?.map_into_left_body()
        }
    };
    let status = response.status().as_u16();
    debug!(client = client.map(tracing::field::display), proto, %method, path, status, "answered");
    Ok(response)
}

/// Redirects from `/tilemill` to `/tilemill/`, relatively, so that it works behind any prefix of a proxy.
fn to_folder(path: &str) -> HttpResponse {
    let name = path.rsplit('/').next().unwrap_or_default();
    HttpResponse::PermanentRedirect().insert_header((LOCATION, format!("{name}/"))).finish()
}

fn replace_path(request: &mut ServiceRequest, path: &str) {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(format!("{path}{query}")).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

impl Proxies {
    pub(super) fn new(config: &config::Server) -> Self {
        Self { trusted: config.trusted_proxies.clone(), base: config.base_path.clone() }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    pub(super) fn read(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Forwarded {
        let peer = peer.map(|peer| peer.ip().to_canonical());
        let base = self.base.clone();
        let Some(proxy) = peer.filter(|peer| self.is_trusted(*peer)) else {
            return Forwarded { client: peer, prefix: base, ..Forwarded::default() };
        };
        let last = |name| listed(headers, name).pop();
        let prefix = last("x-forwarded-prefix").and_then(|prefix| prefix.parse().ok());
        Forwarded {
            client: Some(self.client(proxy, &listed(headers, "x-forwarded-for"))),
            proto: last("x-forwarded-proto").map(str::to_owned),
            hosts: listed(headers, "x-forwarded-host").into_iter().map(str::to_owned).collect(),
            prefix: prefix.filter(|prefix: &BasePath| !prefix.is_root()).unwrap_or(base),
        }
    }

    /// The nearest address that is not a trusted proxy's. The client may have made up those before it.
    fn client(&self, proxy: IpAddr, passed: &[&str]) -> IpAddr {
        let mut client = proxy;
        for text in passed.iter().rev() {
            let Some(address) = address(text) else { break };
            client = address;
            if !self.is_trusted(client) {
                break;
            }
        }
        client
    }
}

/// The values of a header that may occur several times, or have commas between values.
fn listed<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|text| !text.is_empty()).collect()
}

/// Parses an address as proxies write it: alone, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let alone = || text.trim_matches(['[', ']']).parse().ok();
    let address: Option<IpAddr> = alone().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// A view with links.
pub(super) trait Linked {
    /// All links of the view.
    fn links(&mut self) -> impl Iterator<Item = &mut String>;
}

impl Forwarded {
    /// Puts the prefix that the client needs before the links of a view.
    pub(super) fn see<T: Linked>(&self, mut view: T) -> T {
        view.links().for_each(|link| link.insert_str(0, self.prefix.as_str()));
        view
    }

    /// As [`Self::see`], for an event that was made for all clients.
    pub(super) fn hear(&self, event: Bytes) -> Bytes {
        if self.prefix.is_root() { event } else { put_links_below(&self.prefix, &event) }
    }
}

/// The names of links in events. A name between its quotation marks is in no text, where quotation marks are escaped.
const LINKS: [&str; 5] = ["self", "original", "thumbnail", "result", "events"];

fn put_links_below(prefix: &BasePath, event: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(event.len() + 1024);
    let mut kept = 0;
    for found in memmem::find_iter(event, "\":\"/api/") {
        let is_link = LINKS.iter().any(|name| {
            let before = event[..found].strip_suffix(name.as_bytes());
            before.is_some_and(|before| before.ends_with(b"\""))
        });
        if is_link {
            let link = found + 3;
            out.extend_from_slice(&event[kept..link]);
            out.extend_from_slice(prefix.as_str().as_bytes());
            kept = link;
        }
    }
    out.extend_from_slice(&event[kept..]);
    out.freeze()
}

impl FromRequest for Forwarded {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Config;
    use crate::http::view::Links;

    fn read(peer: &str, headers: &[(&'static str, &str)]) -> Forwarded {
        let mut config = Config::default().server;
        config.trusted_proxies.push("10.0.0.0/8".parse().unwrap());
        let request = headers
            .iter()
            .fold(TestRequest::default(), |request, header| request.append_header(*header));
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        Proxies::new(&config).read(Some(peer), request.to_http_request().headers())
    }

    #[test]
    fn what_comes_from_elsewhere_is_ignored() {
        let headers = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "our.name"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/mill"),
        ];
        let stranger = "192.0.2.1".parse().ok();
        assert_eq!(
            read("192.0.2.1", &headers),
            Forwarded { client: stranger, ..Forwarded::default() }
        );
        let seen = read("127.0.0.1", &headers);
        assert_eq!(seen.client, "1.2.3.4".parse().ok());
        assert_eq!((seen.hosts, seen.prefix.as_str()), (vec!["our.name".to_owned()], "/mill"));
        assert_eq!(seen.proto.as_deref(), Some("https"));
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_no_proxy() {
        for (peer, passed, client) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("::ffff:127.0.0.1", &["6.6.6.6, 1.2.3.4", "10.0.0.7"], "1.2.3.4"),
            ("127.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("::1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["6.6.6.6, unknown, 10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
        ] {
            let headers: Vec<_> = passed.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(read(peer, &headers).client, client.parse().ok(), "{peer} {passed:?}");
        }
    }

    #[test]
    fn a_prefix_that_is_no_path_is_ignored() {
        for prefix in ["//evil.example", "/a\"b", "mill", "/", ""] {
            assert_eq!(read("127.0.0.1", &[("x-forwarded-prefix", prefix)]).prefix.as_str(), "");
        }
    }

    #[test]
    fn links_in_events_are_those_of_a_job() {
        let [own, events] = [(); 2].map(|()| String::new());
        let [original, thumbnail, result] = [(); 3].map(|()| None);
        let links = Links { own, original, thumbnail, result, events };
        let value = serde_json::to_value(links).unwrap();
        let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = LINKS.to_vec();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn links_in_events_and_nothing_else_get_the_prefix() {
        let event = |prefix: &str| {
            let texts = r#""name":"/api/jobs/x","filters":"\"self\":\"/api/","error":"a\":","tiles_done":1"#;
            let link = |name: &str| format!(r#""{name}":"{prefix}/api/jobs/0/{name}""#);
            let links: Vec<_> = LINKS.iter().map(|name| link(name)).collect();
            format!("event: job\ndata: {{{texts},\"links\":{{{}}}}}\n\n", links.join(","))
        };
        let seen = Forwarded { prefix: "/mill".parse().unwrap(), ..Forwarded::default() };
        assert_eq!(seen.hear(event("").into()), event("/mill"));
        assert_eq!(Forwarded::default().hear(event("").into()), event(""));
    }
}
