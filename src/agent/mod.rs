//! HTTP requests to a tilemill server, for `submit` and for a collector on another machine.
//!
//! * `problem`: the errors that it describes.
//! * [`url`]: where a server is.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

pub(crate) mod problem;
pub mod url;

/// How long it may take to open a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// An agent whose reads and writes time out after `silence`. An answer of any status is no error.
pub(crate) fn agent(silence: Duration) -> Agent {
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(crypto)
        .root_certs(RootCerts::PlatformVerifier);
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        // A body can be read only once, so it cannot be sent to a second address.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("tilemill/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence));
    config.build().new_agent()
}
