//! The Redis adapter of the state against a real Redis.

use std::time::{Duration, Instant};

use fred::prelude::*;
use libtest_mimic::{Arguments, Conclusion};
use rustix::process::Signal;
use tilemill::model::board::Board;
use tilemill::model::event::Look;
use tilemill::model::job::JobId;
use tilemill::state::State;
use tilemill::state::redis::{RedisOptions, RedisState};

use crate::conformance::state::heard;
use crate::store::Redis;
use crate::support::{Found, PATIENCE, Suite, block_on, named};

/// A test, which gets the Redis that all share.
pub type Test = fn(&Redis);

macro_rules! conforms {
    ($($check:ident),* $(,)?) => {
        [$((stringify!($check), |redis| {
            block_on(async {
                let prefix = stringify!($check);
                let state = open(&redis.options(prefix)).await;
                let pass = async |time| redis.pass(prefix, time).await;
                crate::conformance::state::$check(&state, pass).await;
                all_expires(redis, prefix).await;
            });
        })),*]
    };
}

const CONFORMANCE: [(&str, Test); 9] = crate::conformance::each_state_check!(conforms);

const TESTS: [(&str, Test); 5] = [
    ("what_is_said_right_after_the_start_is_heard", at_once),
    ("a_redis_that_comes_back_empty_is_used_again", killed),
    ("a_redis_that_hangs_is_an_error_and_no_hang", stopped),
    ("a_password_and_a_database_are_used", locked),
    ("prefixes_keep_mills_apart", apart),
];

pub fn run(arguments: &Arguments) -> Conclusion {
    let found: Found<Redis> = match Redis::find() {
        Ok(()) => Ok(Box::new(Redis::start)),
        Err(missing) => Err(missing),
    };
    let tests: Vec<_> =
        CONFORMANCE.into_iter().chain(TESTS).chain(crate::unusable::TESTS).collect();
    Suite { name: "redis", threads: 4 }.run(arguments, found, named(&tests))
}

pub async fn open(options: &RedisOptions) -> RedisState {
    RedisState::connect(options).await.unwrap()
}

/// No key may stay for ever.
async fn all_expires(redis: &Redis, prefix: &str) {
    let client = redis.client().await;
    let all = "return redis.call('KEYS', ARGV[1])";
    let pattern = vec![format!("{prefix}:*")];
    let found: Vec<String> = client.eval(all, Vec::<String>::new(), pattern).await.unwrap();
    for key in found {
        let left: i64 = client.pttl(&key).await.unwrap();
        assert!(left != -1, "{key} does not expire");
    }
}

pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn at_once(redis: &Redis) {
    block_on(async {
        let options = redis.options("heard");
        let speaker = open(&options).await;
        for _ in 0..200 {
            let listener = open(&options).await;
            let mut looks = listener.looks();
            speaker.signal(Look::Workers).await.unwrap();
            assert_eq!(heard(&mut looks).await, Look::Workers);
        }
    });
}

fn killed(_: &Redis) {
    let mut redis = Redis::start();
    block_on(async {
        let mut options = redis.options("killed");
        options.timeout = Duration::from_secs(3);
        let state = open(&options).await;
        let (job, board) = (JobId::generate(), Board::new(3));
        state.publish_board(job, board.clone()).await.unwrap();
        redis.kill();
        assert!(state.board(job).await.is_err());
        redis.resume();
        until("it is used again", async || state.board(job).await.is_ok()).await;
        assert_eq!(state.board(job).await.unwrap(), None);
        state.publish_board(job, board.clone()).await.unwrap();
        assert_eq!(state.board(job).await.unwrap(), Some(board));
        let mut looks = state.looks();
        // The subscription comes back by itself, a moment later than the other connection.
        let signalling = async {
            loop {
                let _ = state.signal(Look::Workers).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            look = looks.recv() => assert_eq!(look.unwrap(), Look::Workers),
            () = signalling => {}
            () = tokio::time::sleep(PATIENCE) => panic!("no signal came"),
        }
    });
}

fn stopped(_: &Redis) {
    let redis = Redis::start();
    block_on(async {
        let mut options = redis.options("stopped");
        options.timeout = Duration::from_secs(3);
        let state = open(&options).await;
        redis.signal(Signal::STOP);
        assert!(state.active().await.is_err());
        redis.signal(Signal::CONT);
        until("it answers again", async || state.active().await.is_ok()).await;
    });
}

fn locked(_: &Redis) {
    let redis = Redis::start_with(&["--requirepass", "open sesame"]);
    block_on(async {
        let mut options = redis.options("locked");
        assert!(RedisState::connect(&options).await.is_err());
        options.password = Some("wrong".into());
        assert!(RedisState::connect(&options).await.is_err());
        options.password = Some("open sesame".into());
        options.database = 3;
        let state = open(&options).await;
        let (job, board) = (JobId::generate(), Board::new(3));
        state.publish_board(job, board.clone()).await.unwrap();
        options.database = 4;
        assert_eq!(open(&options).await.board(job).await.unwrap(), None);
        assert_eq!(state.board(job).await.unwrap(), Some(board));
    });
}

fn apart(redis: &Redis) {
    block_on(async {
        let (one, other) = (open(&redis.options("one")).await, open(&redis.options("other")).await);
        let job = JobId::generate();
        one.publish_board(job, Board::new(3)).await.unwrap();
        assert_eq!(other.board(job).await.unwrap(), None);
        let (mut near, mut far) = (one.looks(), other.looks());
        one.signal(Look::Workers).await.unwrap();
        other.signal(Look::Job(job)).await.unwrap();
        assert_eq!(heard(&mut near).await, Look::Workers);
        assert_eq!(heard(&mut far).await, Look::Job(job));
    });
}
