#!/usr/bin/env bash
# fred 10.1.0 returns Ok from subscribe() and psubscribe() when Redis refuses the user the channel (NOPERM), because it
# expects no reply to them. No message ever arrives. Worse, it takes the refusal for the reply to the next command on
# that connection. If more commands are in flight, each gets the reply to the one before: GET b returns the value of a.
# ssubscribe() waits for its reply, and returns the error.
#
# Seen on 2026-11-30 with Redis 7.0.15 (a is 1, b is 2; receivers: the reply to PUBLISH by another client):
#   may: subscribe Ok, psubscribe Ok, receivers 2, ssubscribe Ok; subscribe and GET a, b: Ok 1 2 (20 of 20)
#   may not: subscribe Ok, psubscribe Ok, receivers 0, ssubscribe NOPERM; subscribe and GET a, b: Ok NOPERM 1 (20 of 20)
#
# Needs redis-server and cargo. Builds fred, which takes a minute or two.
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
tokio = { version = "=1.54.1", features = ["macros", "rt", "time"] }
TOML
cat > src/main.rs <<'RUST'
use std::time::Duration;

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

fn word(answer: Result<String, Error>) -> String {
    answer.unwrap_or_else(|error| error.details().split(' ').next().unwrap().into())
}

fn ok(answer: Result<(), Error>) -> String {
    word(answer.map(|()| "Ok".into()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let publisher = connected("may").await;
    for (key, value) in [("a", "1"), ("b", "2")] {
        publisher.set::<(), _, _>(key, value, None, None, false).await.unwrap();
    }
    for (user, words, hearing, gets) in [
        ("may", "may", "receivers 2, ssubscribe Ok", "Ok 1 2"),
        ("maynot", "may not", "receivers 0, ssubscribe NOPERM", "Ok NOPERM 1"),
    ] {
        let client = connected(user).await;
        let plain = ok(client.subscribe("news").await);
        let pattern = ok(client.psubscribe("new*").await);
        // Redis has processed both by then.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let receivers: i64 = publisher.publish("news", "anything").await.unwrap();
        let sharded = ok(client.ssubscribe("news").await);
        let alone = format!("subscribe {plain}, psubscribe {pattern}, receivers {receivers}, ssubscribe {sharded}");
        client.quit().await.unwrap();

        let mut times = 0;
        for _ in 0..20 {
            let client = connected(user).await;
            let (heard, a, b) = tokio::join!(client.subscribe("news"), client.get("a"), client.get("b"));
            times += usize::from(format!("{} {} {}", ok(heard), word(a), word(b)) == gets);
            client.quit().await.unwrap();
        }
        println!("{words}: {alone}; subscribe and GET a, b: {gets} ({times} of 20)");
        assert_eq!(alone, format!("subscribe Ok, psubscribe Ok, {hearing}"), "it has changed");
        assert!(times > 10, "it has changed");
    }
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
: > redis.log
timeout 60 redis-server redis.conf >> redis.log 2>&1 &
redis=$!
for _ in {1..100}; do
  if grep -q "Ready to accept" redis.log; then break; fi
  sleep 0.1
done
grep -q "Ready to accept" redis.log || { echo "Redis does not start:"; cat redis.log; exit 1; } >&2
timeout 30 cargo run --quiet -- "$address"
