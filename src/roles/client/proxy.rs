//! Explains the error responses of a proxy in front of a server.

use ureq::Body;
use ureq::http::{Response, StatusCode, header};

/// The directive that limits uploads in each proxy, by the start of its `Server` header.
const SIZE_LIMITS: [(&str, &str); 3] = [
    ("nginx", "client_max_body_size there, which is 1 MB unless it is set"),
    // Up to 2.4 at least, the second does not apply to requests that are passed on to a server.
    ("Apache", "SecRequestBodyLimit of mod_security there, or LimitRequestBody"),
    ("Caddy", "max_size of request_body there"),
];

/// A sentence about a response; `is_known` tells whether the request had credentials.
pub(super) fn explained(response: &Response<Body>, is_known: bool) -> String {
    let server = response.headers().get(header::SERVER).and_then(|server| server.to_str().ok());
    let name = server.map(name_of).filter(|name| !name.is_empty());
    let proxy = name.map_or_else(
        || "the proxy in front of the server".to_owned(),
        |name| format!("the proxy in front of the server ({name})"),
    );
    let meaning = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            format!("refuses an upload of this size: raise {}", size_limit(name))
        }
        StatusCode::UNAUTHORIZED if is_known => {
            "does not accept the name and password, or the token, that were sent".to_owned()
        }
        StatusCode::UNAUTHORIZED => "requires a name and a password, or a token: give them with \
                                     --user, --netrc or TILEMILL_TOKEN"
            .to_owned(),
        StatusCode::FORBIDDEN => "does not allow this (status 403)".to_owned(),
        StatusCode::GATEWAY_TIMEOUT => "got no answer from it in time (status 504)".to_owned(),
        status @ (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) => {
            format!("cannot reach it (status {})", status.as_u16())
        }
        status => format!("answered with status {}", status.as_u16()),
    };
    format!("{proxy} {meaning}")
}

/// The name without a version, and without characters that could control a terminal.
fn name_of(server: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    server.split(|c| !is_part(c)).next().unwrap_or_default()
}

fn size_limit(name: Option<&str>) -> &'static str {
    let known = SIZE_LIMITS.iter().find(|(proxy, _)| name.is_some_and(|n| n.starts_with(proxy)));
    known.map_or("its limit for the size of requests", |(_, limit)| limit)
}

#[cfg(test)]
mod tests {
    use ureq::Body;
    use ureq::http::Response;

    use super::explained;

    #[test]
    fn each_proxy_is_named_with_its_directive() {
        for (status, server, is_known, words) in [
            (
                413,
                "nginx/1.22.1",
                false,
                "(nginx) refuses an upload of this size: raise client_max_body_size",
            ),
            (
                413,
                "Apache/2.4.62 (Debian)",
                false,
                "(Apache) refuses an upload of this size: raise SecRequestBodyLimit",
            ),
            (413, "Caddy", false, "raise max_size of request_body"),
            (413, "", false, "server refuses an upload of this size: raise its limit"),
            (401, "nginx", false, "--user, --netrc or TILEMILL_TOKEN"),
            (401, "nginx", true, "does not accept"),
            (502, "(none)", false, "server cannot reach it (status 502)"),
            (418, "teapot", false, "(teapot) answered with status 418"),
        ] {
            let response = Response::builder().status(status).header("server", server.as_bytes());
            let said = explained(&response.body(Body::builder().data("")).unwrap(), is_known);
            assert!(said.contains(words), "{said}");
        }
    }
}
