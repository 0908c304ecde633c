#!/usr/bin/env bash
# fred 10.1.0 says Ok to subscribe() and psubscribe() of a user whom Redis refuses the channel (NOPERM): it takes the
# command for done when it is sent, and drops the error that comes later. Nothing tells, and no message ever arrives.
# ssubscribe() on the same connection waits for the answer and gives the error.
#
# Seen on 2026-11-30 with Redis 7.0.15 (receivers: what PUBLISH answers to somebody else):
#   may: subscribe Ok, psubscribe Ok, ssubscribe Ok, receivers 2
#   may not: subscribe Ok, psubscribe Ok, ssubscribe NOPERM, receivers 0
#
# Needs redis-server and cargo.
set -euo pipefail
command -v redis-server >/dev/null || { echo "redis-server is missing: apt-get install redis-server" >&2; exit 77; }
work=$(mktemp -d)
redis=
stop() {
  if [ -n "$redis" ]; then
    kill "$redis" || true
    wait "$redis" || true
  fi
  rm -rf "$work"
}
trap stop EXIT
cd "$work"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
fred = { version = "=10.1.0", default-features = false, features = ["i-std"] }
tokio = { version = "=1.54.1", features = ["macros", "rt"] }
TOML
cat > src/main.rs <<'RUST'
use fred::{prelude::*, types::RespVersion};

async fn connected(user: &str) -> Client {
    let address = std::env::args().nth(1).unwrap();
    let config = Config {
        server: ServerConfig::new_centralized(address, 6379),
        username: Some(user.into()),
        password: Some("secret".into()),
        version: RespVersion::RESP3,
        ..Config::default()
    };
    let client = Builder::from_config(config).build().unwrap();
    client.init().await.unwrap();
    client
}

fn word(answer: Result<(), Error>) -> String {
    match answer {
        Ok(()) => "Ok".into(),
        Err(error) => error.details().split(' ').next().unwrap().into(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let publisher = connected("may").await;
    let mut told = Vec::new();
    for (user, words) in [("may", "may"), ("maynot", "may not")] {
        let client = connected(user).await;
        let plain = word(client.subscribe("news").await);
        let pattern = word(client.psubscribe("new*").await);
        let sharded = word(client.ssubscribe("news").await);
        // Whatever Redis had to say to the others has come before this.
        client.ping::<()>(None).await.unwrap();
        let receivers: i64 = publisher.publish("news", "anything").await.unwrap();
        client.quit().await.unwrap();
        told.push(format!("{words}: subscribe {plain}, psubscribe {pattern}, ssubscribe {sharded}, receivers {receivers}"));
        println!("{}", told.last().unwrap());
    }
    assert_eq!(
        told,
        [
            "may: subscribe Ok, psubscribe Ok, ssubscribe Ok, receivers 2",
            "may not: subscribe Ok, psubscribe Ok, ssubscribe NOPERM, receivers 0",
        ],
        "it has changed"
    );
}
RUST
cargo build --quiet

# An address of its own on loopback, so that its port is free.
address=127.$((RANDOM % 200 + 1)).$((RANDOM % 256)).$((RANDOM % 254 + 1))
cat > redis.conf <<CONF
bind $address
port 6379
save ""
user may on >secret ~* +@all allchannels
user maynot on >secret ~* +@all resetchannels
CONF
timeout 60 redis-server redis.conf > redis.log &
redis=$!
for _ in {1..100}; do
  if grep -q "Ready to accept" redis.log; then break; fi
  sleep 0.1
done
timeout 30 cargo run --quiet -- "$address"
