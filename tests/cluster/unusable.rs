//! A Redis that answers and cannot be used, or another service at its address: the error names what is wrong, and the
//! remedy that it names works.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use fred::prelude::*;
use serde_json::Value as Json;
use tempfile::TempDir;
use tilemill::model::event::Look;
use tilemill::model::job::{JobId, StorageId};
use tilemill::state::redis::{RedisOptions, RedisState};
use tilemill::state::{ActiveJob, Counters, State, StateError};

use crate::conformance::state::heard;
use crate::redis::{Test, open, until};
use crate::store::{PORT, Redis};
use crate::support::{Server, is_all_required, own_address, tilemill};

pub const TESTS: [(&str, Test); 18] = [
    ("a_user_without_scripts_is_told_which_right_is_missing", no_scripts),
    ("a_user_without_the_keys_is_told_which_right_is_missing", no_keys),
    ("a_user_who_only_reads_is_told_which_right_is_missing", no_writes),
    ("a_user_without_channels_is_told_which_right_is_missing", no_channels),
    ("a_user_who_cannot_subscribe_is_told_which_right_is_missing", no_subscriptions),
    ("a_full_redis_is_said_to_be_full", full),
    ("keys_that_are_evicted_are_counted", evicting),
    ("a_redis_that_became_a_replica_is_said_to_be_one", replica),
    ("a_redis_that_cannot_save_is_said_to_need_its_disk", no_disk),
    ("a_redis_that_cannot_save_is_named_also_when_it_takes_no_connections", no_disk_anew),
    ("a_redis_without_scripts_is_told_to_know_them_again", renamed),
    ("a_redis_in_cluster_mode_is_used_with_braces", cluster),
    ("the_node_of_a_cluster_that_has_the_keys_is_named", cluster_of_two),
    ("a_password_that_is_missing_or_wrong_is_told_apart", password),
    ("a_sentinel_is_told_from_a_redis", sentinel),
    ("a_port_with_tls_is_told_from_one_without", tls),
    ("a_port_that_is_no_redis_is_said_to_be_none", others),
    ("check_tells_a_refusal_from_silence", check),
];

const USER: &str = "tm";

/// A user who may do everything with the prefix `tm:`.
const EVERYTHING: &str = "ACL SETUSER tm on >secret +@all ~tm:* &tm:*";

fn user(redis: &Redis) -> RedisOptions {
    let mut options = redis.options(USER);
    (options.username, options.password) = (Some(USER.into()), Some("secret".into()));
    options
}

/// The text and the remedy of a refusal, which is printed for whoever reads the output.
fn refusal(result: Result<(), StateError>) -> (String, String) {
    match result {
        Err(error @ StateError::Refused { .. }) => {
            let text = error.to_string();
            let StateError::Refused { remedy, .. } = error else { unreachable!() };
            println!("{text}");
            assert_eq!(text.matches(&remedy).count(), 1, "{text}");
            (text, remedy)
        }
        other => panic!("no refusal: {other:?}"),
    }
}

/// Asserts that a connection is refused in these words, and returns the remedy.
async fn is_refused(options: &RedisOptions, words: &[&str]) -> String {
    let (text, remedy) = refusal(RedisState::connect(options).await.map(drop));
    for words in words {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
    remedy
}

/// The commands that a remedy names.
fn commands(remedy: &str) -> Vec<&str> {
    let quoted = remedy.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with(char::is_uppercase)).collect()
}

async fn is_usable(state: &RedisState) {
    until("it can be used", async || state.probe().await.is_ok()).await;
    state.activate(active()).await.unwrap();
    let mut looks = state.looks();
    state.signal(Look::Workers).await.unwrap();
    assert_eq!(heard(&mut looks).await, Look::Workers);
}

fn active() -> ActiveJob {
    ActiveJob { id: JobId::generate(), results_partition: 0, storage: StorageId("s".into()) }
}

/// Makes a Redis unusable by a command, asserts that an old and a new connection say so in these words, runs the
/// commands of the remedy, and uses the old connection again.
async fn is_mended(redis: &Redis, options: &RedisOptions, spoil: &str, words: &[&str]) {
    let state = open(options).await;
    is_usable(&state).await;
    let before = state.counters().refused;
    redis.obey(spoil);
    until("it is refused", async || matches!(state.probe().await, Err(StateError::Refused { .. })))
        .await;
    let (text, remedy) = refusal(state.probe().await);
    for words in words {
        assert!(text.contains(words), "{words:?} is not in {text:?}");
    }
    assert!(text.contains(&options.host), "{text}");
    assert_eq!(is_refused(options, words).await, remedy);
    assert!(state.counters().refused >= before + 2);
    let commands = commands(&remedy);
    assert!(!commands.is_empty(), "{remedy}");
    redis.obey_all(&commands);
    is_usable(&state).await;
}

/// The same for a user who loses a right.
fn right(take: &str, words: &[&str]) {
    let redis = Redis::start();
    redis.obey(EVERYTHING);
    crate::support::block_on(async {
        let options = user(&redis);
        is_mended(&redis, &options, &format!("ACL SETUSER tm {take}"), words).await;
    });
}

fn no_scripts(_: &Redis) {
    right("-@scripting", &["not let user tm run scripts: NOPERM", "`ACL SETUSER tm +@scripting`"]);
}

fn no_keys(_: &Redis) {
    right("resetkeys", &["use keys that begin with `tm:`: NOPERM", "`ACL SETUSER tm ~tm:*`"]);
}

fn no_writes(_: &Redis) {
    right("-@write", &["not let user tm read and write: ", "`ACL SETUSER tm +@read +@write`"]);
}

fn no_channels(_: &Redis) {
    right(
        "resetchannels",
        &["use channels that begin with `tm:`: NOPERM", "`ACL SETUSER tm &tm:*`"],
    );
}

/// Redis refuses SUBSCRIBE alone here, to which fred expects no answer.
fn no_subscriptions(_: &Redis) {
    right("-subscribe", &["tm publish and subscribe: NOPERM", "`ACL SETUSER tm +@pubsub`"]);
}

/// Lets a Redis hold more than it may.
async fn fill(redis: &Redis) {
    redis.obey("CONFIG SET maxmemory 64mb");
    let client = redis.client().await;
    for number in 0..8 {
        let filler = Value::Bytes(vec![b'x'; 1_000_000].into());
        let key = format!("filler:{number}");
        let _: () = client.set(key, filler, None, None, false).await.unwrap();
    }
    redis.obey("CONFIG SET maxmemory 4mb");
}

fn full(_: &Redis) {
    let redis = Redis::start();
    crate::support::block_on(async {
        let options = redis.options("full");
        let state = open(&options).await;
        fill(&redis).await;
        let (text, remedy) = refusal(state.probe().await);
        let words = "takes no writes: OOM command not allowed when used memory > 'maxmemory': raise `maxmemory`";
        assert!(text.contains(words), "{text}");
        assert!(state.activate(active()).await.is_err());
        assert!(state.counters().refused >= 2, "{:?}", state.counters());
        assert_eq!(is_refused(&options, &[words]).await, remedy);
        redis.obey("CONFIG SET maxmemory 64mb");
        is_usable(&state).await;
        fill(&redis).await;
        refusal(state.probe().await);
        assert!(remedy.contains("set `maxmemory-policy` to allkeys-lru"), "{remedy}");
        redis.obey("CONFIG SET maxmemory-policy allkeys-lru");
        is_usable(&state).await;
    });
}

fn evicting(_: &Redis) {
    let redis = Redis::start();
    redis.obey(EVERYTHING);
    crate::support::block_on(async {
        let state = open(&user(&redis)).await;
        assert_eq!(state.counters(), Counters { refused: 0, evicted: None });
        state.probe().await.unwrap();
        assert_eq!(state.counters(), Counters { refused: 0, evicted: Some(0) });
        fill(&redis).await;
        redis.obey("CONFIG SET maxmemory-policy allkeys-lru");
        until("something is evicted", async || {
            state.probe().await.unwrap();
            state.counters().evicted > Some(0)
        })
        .await;
        redis.obey("ACL SETUSER tm -info");
        state.probe().await.unwrap();
        assert_eq!(state.counters(), Counters { refused: 0, evicted: None });
    });
}

fn replica(_: &Redis) {
    let redis = Redis::start();
    crate::support::block_on(async {
        let words = ["is a replica: READONLY You can't write", "`redis.address` to its primary"];
        is_mended(&redis, &redis.options("replica"), "REPLICAOF 127.0.0.1 1", &words).await;
    });
}

/// A Redis that has no place to save to.
fn unable_to_save() -> Redis {
    let redis = Redis::start();
    redis.obey("CONFIG SET save \"3600 1\"");
    fs::remove_dir_all(redis.folder()).unwrap();
    redis
}

async fn fail_to_save(redis: &Redis) {
    redis.tell("BGSAVE");
    until("it fails to save", async || {
        redis.tell("INFO persistence").contains("rdb_last_bgsave_status:err")
    })
    .await;
}

const NO_DISK: [&str; 2] = ["takes no writes: MISCONF", "`CONFIG SET save \"\"`"];

fn no_disk(_: &Redis) {
    crate::support::block_on(async {
        let redis = unable_to_save();
        let options = redis.options("disk");
        let state = open(&options).await;
        fail_to_save(&redis).await;
        let (_, remedy) = refusal(state.probe().await);
        assert_eq!(is_refused(&options, &NO_DISK).await, remedy);
        redis.obey_all(&commands(&remedy));
        is_usable(&state).await;
    });
}

fn no_disk_anew(_: &Redis) {
    crate::support::block_on(async {
        let redis = unable_to_save();
        let mut options = redis.options("disk");
        options.timeout = Duration::from_secs(1);
        let state = open(&options).await;
        fail_to_save(&redis).await;
        // fred begins a connection with a PING, which Redis refuses here.
        redis.tell("CLIENT KILL TYPE normal");
        until("the reason is known", async || {
            matches!(state.board(JobId::generate()).await, Err(StateError::Refused { .. }))
        })
        .await;
        let (text, remedy) = refusal(state.probe().await);
        assert!(NO_DISK.iter().all(|words| text.contains(words)), "{text}");
        redis.obey_all(&commands(&remedy));
        is_usable(&state).await;
    });
}

fn renamed(_: &Redis) {
    for command in ["EVALSHA", "SCRIPT"] {
        let mut redis = Redis::start_with(&["--rename-command", command, ""]);
        crate::support::block_on(async {
            let options = redis.options("renamed");
            let remove = format!("remove `rename-command {command}` from its redis.conf");
            is_refused(&options, &["runs no scripts: ERR unknown command", &remove]).await;
            redis.resume_with(&[]);
            is_usable(&open(&options).await).await;
        });
    }
}

/// Settings of a node; it takes no part in anything before it has slots.
const NODE: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes"];

async fn until_cluster(redis: &Redis) {
    until("the cluster is up", async || redis.tell("CLUSTER INFO").contains("cluster_state:ok"))
        .await;
}

fn cluster(_: &Redis) {
    let redis = Redis::start_with(&NODE);
    crate::support::block_on(async {
        let mut options = redis.options(USER);
        is_refused(&options, &["is a node of a cluster that is down: CLUSTERDOWN"]).await;
        redis.obey("CLUSTER ADDSLOTSRANGE 0 16383");
        until_cluster(&redis).await;
        let words = ["is in cluster mode: CROSSSLOT", "`redis.prefix = \"{tm}:\"`"];
        is_refused(&options, &words).await;
        options.prefix = "{tm}:".into();
        is_usable(&open(&options).await).await;
        options.database = 1;
        is_refused(&options, &["cluster mode", "set `redis.database` to 0"]).await;
    });
}

fn cluster_of_two(_: &Redis) {
    let nodes = [Redis::start_with(&NODE), Redis::start_with(&NODE)];
    crate::support::block_on(async {
        for node in &nodes {
            let host = node.options(USER).host;
            node.obey(&format!("CONFIG SET cluster-announce-ip {host}"));
        }
        nodes[0].obey("CLUSTER ADDSLOTSRANGE 0 8191");
        nodes[1].obey("CLUSTER ADDSLOTSRANGE 8192 16383");
        let other = nodes[1].address().replace(':', " ");
        nodes[0].obey(&format!("CLUSTER MEET {other}"));
        for node in &nodes {
            until_cluster(node).await;
        }
        let options = nodes.each_ref().map(|node| {
            let mut options = node.options(USER);
            options.prefix = "{tm}:".into();
            options
        });
        let first = RedisState::connect(&options[0]).await;
        let [has, lacks] = if first.is_ok() { [0, 1] } else { [1, 0] };
        is_usable(&open(&options[has]).await).await;
        let set = format!("set `redis.address` to {}", nodes[has].address());
        is_refused(
            &options[lacks],
            &["is not the cluster node that holds the keys of `{tm}:`: MOVED", &set],
        )
        .await;
    });
}

fn password(_: &Redis) {
    let redis = Redis::start_with(&["--requirepass", "secret"]);
    crate::support::block_on(async {
        let mut options = redis.options("password");
        is_refused(&options, &["requires a password: NOAUTH", "set `redis.password`"]).await;
        options.password = Some("guessed".into());
        let remedy = is_refused(&options, &["rejects the password: WRONGPASS"]).await;
        assert!(remedy.contains("`redis.password`") && !remedy.contains("guessed"), "{remedy}");
        options.password = Some("secret".into());
        is_usable(&open(&options).await).await;
    });
}

fn sentinel(redis: &Redis) {
    let sentinel = redis.sentinel();
    crate::support::block_on(async {
        let options = sentinel.options("sentinel");
        let words = [
            ":6379 is a Sentinel, not a Redis",
            "set `redis.address` to the Redis that it watches",
        ];
        let remedy = is_refused(&options, &words).await;
        let line = remedy.split('`').find(|text| text.starts_with("redis-cli")).unwrap();
        let mut line = line.split(' ');
        let named = Command::new(line.next().unwrap()).args(line).output().unwrap();
        let named = String::from_utf8(named.stdout).unwrap();
        let host = redis.options("sentinel").host;
        assert!(named.contains(&host), "{host} is not in {named}");
    });
}

/// A certificate for itself, or why there is none.
fn certificate(folder: &TempDir) -> Result<(), String> {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=redis"]);
    command.args(["-keyout", "key.pem", "-out", "certificate.pem"]).stderr(Stdio::null());
    let made = command.current_dir(folder.path()).status();
    made.map(|status| assert!(status.success())).map_err(|error| format!("openssl: {error}"))
}

fn tls(_: &Redis) {
    let folder = TempDir::new().unwrap();
    if let Err(missing) = certificate(&folder) {
        assert!(!is_all_required(), "{missing}");
        return println!("skipped: {missing}");
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (key, certificate) = (file("key.pem"), file("certificate.pem"));
    let mut settings = vec!["--tls-port", "6380", "--tls-key-file", &key];
    settings.extend(["--tls-cert-file", &certificate, "--tls-ca-cert-file", &certificate]);
    let redis = Redis::start_with(&settings);
    crate::support::block_on(async {
        let mut options = redis.options("tls");
        options.port = 6380;
        let words = [":6380 expects TLS", "set `redis.address` to the port without TLS"];
        is_refused(&options, &words).await;
        options.port = PORT;
        is_usable(&open(&options).await).await;
    });
}

/// A service that answers the first bytes of each connection and hangs up.
fn listen(answer: fn(&[u8]) -> Vec<u8>) -> RedisOptions {
    let listener = TcpListener::bind((own_address(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut question = [0; 64];
            let length = stream.read(&mut question).unwrap_or(0);
            let _ = stream.write_all(&answer(&question[..length]));
        }
    });
    RedisOptions {
        host: address.ip().to_string(),
        port: address.port(),
        username: None,
        password: None,
        database: 0,
        prefix: "tm:".into(),
        timeout: Duration::from_secs(5),
    }
}

/// As Kafka does, hangs up on what is not a request of plausible length.
fn kafka(question: &[u8]) -> Vec<u8> {
    match question {
        [0, 0, 0, length, 0, 18, rest @ ..] if usize::from(*length) == rest.len() + 2 => {
            [&[0, 0, 0, 10], &rest[2..6], &[0; 6]].concat()
        }
        _ => Vec::new(),
    }
}

fn others(_: &Redis) {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let mut http = listen(|_| Vec::new());
    let (host, port) = server.address().rsplit_once(':').unwrap();
    (http.host, http.port) = (host.to_owned(), port.parse().unwrap());
    crate::support::block_on(async {
        let correct = "correct `redis.address`";
        is_refused(&http, &[" is an HTTP server, not a Redis", correct]).await;
        is_refused(&listen(kafka), &[" is a Kafka broker, not a Redis", correct]).await;
        let ssh = listen(|_| b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec());
        is_refused(&ssh, &["is not a Redis: it says \"SSH-2.0-OpenSSH_9.2p1\"", correct]).await;
        // A proxy whose Redis is away, and a port where nothing listens.
        let mut away = listen(|_| Vec::new());
        for port in [away.port, 1] {
            away.port = port;
            let error = RedisState::connect(&away).await.err().unwrap();
            assert!(matches!(error, StateError::Unavailable(_)), "{error:?}");
        }
    });
    // Its log is not clean: it complains about bad requests.
    server.kill();
}

fn check(_: &Redis) {
    let redis = Redis::start();
    redis.obey("REPLICAOF 127.0.0.1 1");
    let finding = |address: &str| {
        let directory = TempDir::new().unwrap();
        let mut command = tilemill(directory.path());
        command.args(["check", "--json"]).env("TILEMILL_REDIS__ADDRESS", address);
        let ran = command.output().unwrap();
        let findings: Json = serde_json::from_slice(&ran.stdout).unwrap();
        let checks = findings["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "redis").unwrap().clone()
    };
    let refused = finding(&redis.address());
    assert_eq!(refused["result"], "failed", "{refused}");
    let [text, remedy] = ["text", "remedy"].map(|key| refused[key].as_str().unwrap());
    assert!(text.contains("is a replica: READONLY") && !text.contains("REPLICAOF"), "{text}");
    redis.obey_all(&commands(remedy));
    assert_eq!(finding(&redis.address())["result"], "ok");
    let silent = finding("127.0.0.1:1");
    assert_eq!(silent["result"], "unreachable", "{silent}");
    assert!(silent["remedy"].as_str().unwrap().starts_with("start it, or correct"), "{silent}");
}
