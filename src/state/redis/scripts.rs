//! What has to be atomic, as Lua scripts. The comment of each lists its keys; then its arguments.

use fred::types::scripts::Script;

pub(super) struct Scripts {
    pub(super) keep: Script,
    pub(super) list: Script,
    pub(super) listen: Script,
    pub(super) claim: Script,
    pub(super) publish_mosaic: Script,
    pub(super) paint: Script,
    pub(super) probe: Script,
}

/// entry, index; name, value, ttl. The index lives at least as long as the entry.
const KEEP: &str = "
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    redis.call('SADD', KEYS[2], ARGV[1])
    if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then
        redis.call('PEXPIRE', KEYS[2], ARGV[3])
    end
";

/// index; the prefix of its entries' keys. Returns each entry and its remaining milliseconds.
const LIST: &str = "
    local found = {}
    for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
        local value = redis.call('GET', ARGV[1] .. name)
        if value then
            found[#found + 1] = value
            found[#found + 1] = redis.call('PTTL', ARGV[1] .. name)
        else
            redis.call('SREM', KEYS[1], name)
        end
    end
    return found
";

/// monitored, since; ttl of both, the shortest silence that counts as a break.
const LISTEN: &str = "
    local left = redis.call('PTTL', KEYS[1])
    if left < 0 or ARGV[1] - left >= tonumber(ARGV[2]) then
        redis.call('SET', KEYS[2], '', 'PX', ARGV[1])
    end
    redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
";

/// owner; server, ttl, the prefix of servers' keys. Returns whether the server is the owner now.
const CLAIM: &str = "
    local owner = redis.call('GET', KEYS[1])
    if owner and owner ~= ARGV[1] and redis.call('EXISTS', ARGV[3] .. owner) == 1 then
        return 0
    end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
";

/// mosaic, makers; ttl, the mosaic, the makers in the order of their numbers.
const PUBLISH_MOSAIC: &str = "
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
    redis.call('DEL', KEYS[2])
    for number = 3, #ARGV do
        redis.call('HSET', KEYS[2], ARGV[number], number - 3)
    end
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
";

/// mosaic, makers; ttl, then for each tile: tile, pixels, maker or nothing, history, milliseconds. Returns
/// whether there is a mosaic.
const PAINT: &str = "
    if redis.call('EXISTS', KEYS[1]) == 0 then
        return 0
    end
    for at = 2, #ARGV, 5 do
        local tile, pixels, maker = ARGV[at], ARGV[at + 1], ARGV[at + 2]
        local mark = 1
        if maker ~= '' then
            local number = redis.call('HGET', KEYS[2], maker)
            if not number then
                number = redis.call('HLEN', KEYS[2])
                redis.call('HSET', KEYS[2], maker, number)
            end
            mark = math.min(number + 2, 65535)
        end
        local slot = struct.pack('>I2I2I4', mark, ARGV[at + 3], ARGV[at + 4]) .. pixels
        redis.call('SETRANGE', KEYS[1], 12 + tile * #slot, slot)
    end
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
    return 1
";

/// entry, index; ttl. Writes two keys that expire and reads them back, as the other scripts do.
const PROBE: &str = "
    redis.call('SET', KEYS[1], 'probe', 'PX', ARGV[1])
    redis.call('SADD', KEYS[2], 'probe')
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
    if redis.call('GET', KEYS[1]) ~= redis.call('SMEMBERS', KEYS[2])[1] then
        return redis.error_reply('ERR what was written is not read back')
    end
";

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            keep: Script::from_lua(KEEP),
            list: Script::from_lua(LIST),
            listen: Script::from_lua(LISTEN),
            claim: Script::from_lua(CLAIM),
            publish_mosaic: Script::from_lua(PUBLISH_MOSAIC),
            paint: Script::from_lua(PAINT),
            probe: Script::from_lua(PROBE),
        }
    }
}
