//! Explains the answers by which Redis refuses: what is wrong, and the remedy.

use fred::error::Error;

use super::RedisOptions;
use crate::state::StateError;

/// What is wrong, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

/// What is wrong with a Redis, and the remedy.
type Finding = (String, String);

/// The error for a store that answers and cannot be used.
pub(super) fn refused(what: String, remedy: String) -> StateError {
    StateError::Refused { cause: Box::new(Refusal(what)), remedy }
}

/// The refusal that an error from Redis means. Connection errors are not refusals, nor are answers such as LOADING or
/// BUSY, which pass by themselves.
pub(super) fn of(options: &RedisOptions, error: &Error) -> Option<StateError> {
    let answer = plain(error.details());
    let (what, remedy) = found(options, answer)?;
    Some(refused(format!("Redis at {} {what}: {answer}", options.address()), remedy))
}

/// The first sentence of an answer, without the script and the arguments that it quotes.
fn plain(answer: &str) -> &str {
    // Before version 7, the answer to a script quotes the answer to the command that failed in it.
    let quoted = answer.strip_prefix("ERR Error running script");
    let answer = quoted.and_then(|text| text.rsplit_once(": -")).map_or(answer, |(_, text)| text);
    let script = answer.split_once(", on @user_script").map(|(text, _)| text);
    let answer =
        script.and_then(|text| text.rsplit_once(" script: ")).map_or(answer, |(text, _)| text);
    let ends = [". ", ", with args", "\r\n"];
    let end = ends.iter().filter_map(|end| answer.find(end)).min().unwrap_or(answer.len());
    answer[..end].trim_end_matches('.')
}

fn found(options: &RedisOptions, answer: &str) -> Option<Finding> {
    let (code, text) = answer.split_once(' ').unwrap_or((answer, ""));
    let (what, remedy) = match code {
        "OOM" => ("takes no writes", "raise `maxmemory`, or set `maxmemory-policy` to allkeys-lru"),
        "READONLY" | "MASTERDOWN" => (
            "is a replica",
            "set `redis.address` to its primary, or make it one with `REPLICAOF NO ONE`",
        ),
        "NOREPLICAS" => {
            ("takes no writes", "start its replicas, or lower its `min-replicas-to-write`")
        }
        // The state is soft, so a mill loses nothing when Redis does not save.
        "MISCONF" if text.contains("AOF") => (
            "takes no writes",
            "free or mend its disk, or stop it from saving with `CONFIG SET appendonly no`",
        ),
        "MISCONF" => (
            "takes no writes",
            "free or mend its disk, or stop it from saving with `CONFIG SET save \"\"`",
        ),
        "CLUSTERDOWN" => (
            "is a node of a cluster that is down",
            "mend it as `redis-cli --cluster check` says, or set `redis.address` to another Redis",
        ),
        "NOAUTH" => (
            "requires a password",
            "set `redis.password`, and `redis.username` for a user other than default",
        ),
        "WRONGPASS" => ("rejects the password", "correct `redis.username` and `redis.password`"),
        "DENIED" => (
            "takes no connections from other hosts",
            "set its `requirepass`, and `redis.password` to the same",
        ),
        "CROSSSLOT" | "MOVED" | "ASK" => return Some(elsewhere(options, text)),
        "NOPERM" => return Some(forbidden(options, text)),
        "ERR" => return without_code(options, text),
        _ => return None,
    };
    Some((what.to_owned(), remedy.to_owned()))
}

/// The refusals whose code is only `ERR`.
fn without_code(options: &RedisOptions, text: &str) -> Option<Finding> {
    if text.starts_with("unknown command") {
        let command = quoted(text).unwrap_or_default().to_uppercase();
        let is_script = ["EVALSHA", "SCRIPT"].contains(&command.as_str());
        let remedy =
            format!("remove `rename-command {command}` from its redis.conf and restart it");
        return is_script.then(|| ("runs no scripts".into(), remedy));
    }
    // A command in a script: the wording of version 7.0, and that of later versions.
    let in_script = ["The user executing the script can't", "ACL failure in script"];
    if in_script.iter().any(|words| text.starts_with(words)) {
        return Some(forbidden(options, text));
    }
    if text.contains("non local key") {
        return Some(elsewhere(options, text));
    }
    let (what, remedy) = match text {
        "SELECT is not allowed in cluster mode" => (
            "is in cluster mode, which has only database 0".to_owned(),
            "set `redis.database` to 0",
        ),
        "DB index is out of range" => (
            format!("has no database {}", options.database),
            "correct `redis.database`, or raise its `databases`",
        ),
        "max number of clients reached" => {
            ("takes no more connections".to_owned(), "raise its `maxclients`")
        }
        _ => return None,
    };
    Some((what, remedy.to_owned()))
}

/// A cluster that spreads the keys of a mill over its nodes, or keeps them all on another node.
fn elsewhere(options: &RedisOptions, text: &str) -> Finding {
    let (prefix, node) = (&options.prefix, text.split(' ').nth(1));
    match node {
        Some(node) if has_hash_tag(prefix) && node.contains(':') => (
            format!("is not the cluster node that holds the keys of `{prefix}`"),
            format!("set `redis.address` to {node}"),
        ),
        _ => {
            let name = prefix.trim_end_matches(':').replace(['{', '}'], "");
            let name = if name.is_empty() { "tm" } else { &name };
            let remedy = format!(
                "set `redis.prefix = \"{{{name}}}:\"`: the braces keep all keys of a mill together"
            );
            ("is in cluster mode".into(), remedy)
        }
    }
}

/// Whether the prefix has a part in braces, by which a cluster places all its keys on one node.
fn has_hash_tag(prefix: &str) -> bool {
    let tag = prefix.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    tag.is_some_and(|(tag, _)| !tag.is_empty())
}

/// Names the permission that the user lacks.
fn forbidden(options: &RedisOptions, text: &str) -> Finding {
    let user = options.username.as_deref().unwrap_or("default");
    let prefix = &options.prefix;
    let command = quoted(text).unwrap_or_default().to_lowercase();
    let (what, right) = match command.split(['|', ' ']).next().unwrap_or_default() {
        _ if text.contains(" channel") => {
            (format!("use channels that begin with `{prefix}`"), format!("&{prefix}*"))
        }
        _ if text.contains(" a key") || text.contains(" of the keys") => {
            (format!("use keys that begin with `{prefix}`"), format!("~{prefix}*"))
        }
        "eval" | "evalsha" | "script" => ("run scripts".into(), "+@scripting".into()),
        "publish" | "subscribe" => ("publish and subscribe".into(), "+@pubsub".into()),
        command @ ("ping" | "select") => (format!("run {command}"), format!("+{command}")),
        // Versions 6 and 7.0 do not name the command that failed in a script.
        _ => ("read and write".into(), "+@read +@write".into()),
    };
    (format!("does not let user {user} {what}"), format!("`ACL SETUSER {user} {right}`"))
}

/// The first quoted words. Versions of Redis use different quotes.
fn quoted(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(['\'', '`'])?;
    rest.split_once(['\'', '`']).map(|(words, _)| words)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fred::error::{Error, ErrorKind};

    use super::RedisOptions;

    fn text(answer: &str) -> Option<String> {
        let options = RedisOptions {
            host: "::1".into(),
            port: 6379,
            username: Some("tm".into()),
            password: None,
            database: 20,
            prefix: "tm:".into(),
            timeout: Duration::from_secs(1),
        };
        let error = Error::new(ErrorKind::Unknown, answer.to_owned());
        super::of(&options, &error).map(|refusal| refusal.to_string())
    }

    fn is_named(answer: &str, words: &str) {
        let text = text(answer).unwrap_or_else(|| panic!("no refusal: {answer}"));
        assert!(text.starts_with("Redis at [::1]:6379 "), "{text}");
        assert!(text.contains(words) && !text.contains("f_1"), "{words:?} is not in {text:?}");
    }

    /// The tests that start a Redis know one version only.
    #[test]
    fn the_words_of_other_versions_are_understood() {
        let in_script = |answer: &str, words: &str| {
            let script = "ERR Error running script (call to f_1): @user_script:2: @user_script: 2";
            is_named(&format!("{script}: -{answer}"), words);
        };
        in_script("OOM command not allowed when used memory > 'maxmemory'.", "no writes: OOM com");
        in_script("READONLY You can't write against a read only replica.", "a replica: READONLY");
        let user = "NOPERM The user executing the script can't";
        in_script(&format!("{user} run this command or subcommand"), "+@read +@write");
        in_script(&format!("{user} access at least one of the keys mentioned in"), "~tm:*");
        let named = "User tm has no permissions to run the 'set' command";
        let script = format!("ERR ACL failure in script: {named} script: f_1, on @user_script:2.");
        is_named(&script, &format!("{named}: `ACL SETUSER tm +@read +@write`"));
        is_named("NOPERM No permissions to access a key", "~tm:*");
        is_named("NOPERM No permissions to access a channel", "&tm:*");
        is_named("NOPERM User tm has no permissions to run the 'script|load' comm", "+@scripting");
        is_named("NOPERM User tm has no permissions to run the 'ping' command", "+ping");
        is_named("ERR unknown command `EVALSHA`, with args beginning with: `f_1`", "no scripts");
    }

    /// Refusals that a single Redis on a loopback address does not give.
    #[test]
    fn rarer_refusals_are_named() {
        is_named("DENIED Redis is running in protected mode because. In this", "`requirepass`");
        is_named("MASTERDOWN Link with MASTER is down and", "`REPLICAOF NO ONE`");
        is_named("NOREPLICAS Not enough good replicas to write.", "`min-replicas-to-write`");
        is_named("MISCONF Errors writing to the AOF file: No space", "`CONFIG SET appendonly no`");
        is_named("ERR DB index is out of range", "has no database 20");
        is_named("ERR max number of clients reached", "`maxclients`");
        is_named("ERR Script attempted to access a non local key in", "\"{tm}:\"");
    }

    #[test]
    fn what_passes_by_itself_is_no_refusal() {
        for answer in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "ERR unknown command 'SELECT', with args beginning with: '0'",
            "Request timed out.",
            "",
        ] {
            assert_eq!(text(answer), None);
        }
    }
}
