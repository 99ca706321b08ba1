//! What must happen in Redis in one step. Every script touches the keys of one slot.

use std::sync::LazyLock;

use redis::Script;

/// Keeps an entry, unless it was purged since or a later one is held.
///
/// Keys: entry, picture, link, trouble, purged. Arguments: generation, verified_at, mark of the picture, sealed entry,
/// sealed picture, link and trouble ("" = none), and the milliseconds that entry and picture, link and trouble live.
/// Answers "kept", "older", "purged", or "bytes" where the picture must be sent, too.
pub(super) static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if tonumber(redis.call('GET', KEYS[5]) or '0') > tonumber(ARGV[1]) then return 'purged' end
local held = redis.call('HMGET', KEYS[1], 'verified', 'mark')
if held[1] and tonumber(held[1]) > tonumber(ARGV[2]) then return 'older' end
redis.call('HSET', KEYS[1], 'verified', ARGV[2], 'mark', ARGV[3], 'entry', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
if ARGV[6] ~= '' then redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[9]) else redis.call('DEL', KEYS[3]) end
if ARGV[7] ~= '' then redis.call('SET', KEYS[4], ARGV[7], 'PX', ARGV[10]) else redis.call('DEL', KEYS[4]) end
if ARGV[5] ~= '' then
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[8])
elseif ARGV[3] == '' then
  redis.call('DEL', KEYS[2])
elseif held[2] ~= ARGV[3] then
  redis.call('DEL', KEYS[2])
  return 'bytes'
elseif redis.call('PEXPIRE', KEYS[2], ARGV[8]) == 0 then
  return 'bytes'
end
return 'kept'
",
    )
});

/// The next generation, for a purge; it is also noted for each provider that is purged as a whole.
///
/// It is never below the time in milliseconds: a counter that was lost (flushed, evicted) must not fall behind what
/// instances hold. Keys: purges. Arguments: the least it may be, the milliseconds that it is remembered, the fields to note it in. A
/// Redis that is full refuses a script's first write only if that needs memory, so one that needs none comes first.
pub(super) static NEXT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local next = math.max(tonumber(redis.call('HGET', KEYS[1], 'counter') or '0') + 1, tonumber(ARGV[1]), now)
local text = string.format('%.0f', next)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], 'counter', text)
for at = 3, #ARGV do redis.call('HSET', KEYS[1], ARGV[at], text) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return next
",
    )
});

/// Purges an avatar: what began before is refused from now on, and nothing is left.
///
/// Keys: as in [`PUT`]. Arguments: generation, and the milliseconds that it is remembered. A Redis that is full must
/// delete, too: see [`NEXT`].
pub(super) static PURGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local removed = redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
if tonumber(redis.call('GET', KEYS[5]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[5], ARGV[1], 'PX', ARGV[2])
end
return removed
",
    )
});

/// Frees a lease that is still its owner's. Keys: lease. Arguments: owner.
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

/// Extends a lease that is still its owner's. Keys: lease. Arguments: owner, milliseconds.
pub(super) static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0",
    )
});

/// Registers an instance by Redis's own clock, and forgets those that have been silent for too long.
///
/// Keys: instances. Arguments: name, the milliseconds that it counts as there.
pub(super) static REGISTER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
",
    )
});
