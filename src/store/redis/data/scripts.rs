//! The scripts: what must happen in Redis in one step. Each touches the keys of one slot.
//!
//! Scripts cannot open a seal, so a value that they must judge has a head in clear: `generation:soft purge:time:mark:` before
//! an entry, `generation:` before a tombstone. Instances trust the sealed part alone.

use std::sync::LazyLock;

use redis::Script;

/// Stores an entry, unless it was purged since or a later one is there.
///
/// Keys: entry, picture, link, trouble, the tombstones of the last hard and the last soft purge. Arguments: generation,
/// verified_at, mark of the picture, now; entry, picture, link and trouble ("" = none); the times to live, in milliseconds,
/// of entry and picture, of the link and of the trouble; the last soft purge that the caller knows, and the one that made the
/// entry stale. Answers "kept", "older", "purged", or "bytes" where the picture must be sent, too.
///
/// An entry that began before a soft purge is replaced whatever its time. So is one from the future: the clock that wrote it
/// ran ahead, and no instance could store anything until then.
pub(crate) static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local function purged(key) return tonumber(string.match(redis.call('GETRANGE', key, 0, 31), '^%d+') or '0') end
local born, verified, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local soft = math.max(purged(KEYS[6]), tonumber(ARGV[12]))
if purged(KEYS[5]) > born or soft > math.max(born, tonumber(ARGV[13])) then return 'purged' end
local head = redis.call('GETRANGE', KEYS[1], 0, 127)
local generation, obeyed, at, mark = string.match(head, '^(%d+):(%d+):(-?%d+):(%x*):')
if at and math.max(tonumber(generation), tonumber(obeyed)) >= soft and tonumber(at) > verified and tonumber(at) <= now then return 'older' end
redis.call('SET', KEYS[1], ARGV[5], 'PX', ARGV[9])
if ARGV[7] ~= '' then redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[10]) else redis.call('DEL', KEYS[3]) end
if ARGV[8] ~= '' then redis.call('SET', KEYS[4], ARGV[8], 'PX', ARGV[11]) else redis.call('DEL', KEYS[4]) end
if ARGV[6] ~= '' then
  redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[9])
elseif ARGV[3] == '' then
  redis.call('DEL', KEYS[2])
elseif mark ~= ARGV[3] then
  redis.call('DEL', KEYS[2])
  return 'bytes'
elseif redis.call('PEXPIRE', KEYS[2], ARGV[9]) == 0 then
  return 'bytes'
end
return 'kept'
",
    )
});

/// The next generation, for a purge.
///
/// It is never below the time in milliseconds: a counter that was lost (flushed, evicted) must not fall behind the
/// generations that instances have. A counter that is a day ahead of the time is not ours. Keys: generation. Arguments: the
/// least it may be, its time to live in milliseconds. A full Redis refuses a script's first write only if that needs memory,
/// so one that needs none comes first.
pub(crate) static NEXT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count = tonumber(string.match(redis.call('GETRANGE', KEYS[1], 0, 31), '^%d+$') or '0')
if count > now + 86400000 then count = 0 end
local next = math.max(count + 1, tonumber(ARGV[1]), now)
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', ARGV[2])
return next
",
    )
});

/// Writes the tombstone of an avatar, so that what began before is refused or stale from now on, and deletes.
///
/// Keys: the tombstone, entry, picture, link, trouble, the tombstone of the last soft purge, the sequences of events.
/// Arguments: generation, the tombstone's value and time to live in milliseconds, "hard" or "soft" (which leaves the bytes),
/// "all" or "older" (only what began before), and the milliseconds for which a deletion leaves the sequences. Answers whether
/// an entry was there, and whether Redis did not have this purge. A full Redis must delete, too: see [`NEXT`].
///
/// A hard purge makes an earlier soft one superfluous: what began before it is refused, and what began after it is not stale.
pub(crate) static PURGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local function purged(key) return tonumber(string.match(redis.call('GETRANGE', key, 0, 31), '^%d+') or '0') end
local hard, generation = ARGV[4] == 'hard', tonumber(ARGV[1])
local head = redis.call('GETRANGE', KEYS[2], 0, 31)
local born = tonumber(string.match(head, '^(%d+):') or '0')
if ARGV[5] == 'all' or born < generation then
  redis.call('DEL', KEYS[4], KEYS[5])
  if hard then
    redis.call('DEL', KEYS[2], KEYS[3])
    if redis.call('PTTL', KEYS[7]) > tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[7], ARGV[6]) end
  end
end
local last = purged(KEYS[1])
if hard and purged(KEYS[6]) <= math.max(last, generation) then redis.call('DEL', KEYS[6]) end
if last < generation then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return {head ~= '' and 1 or 0, last < generation and 1 or 0}
",
    )
});

/// Writes the tombstone of a whole provider or of all. Keys: the tombstone. Arguments: the first three of [`PURGE`]. Answers
/// whether Redis did not have this purge.
pub(crate) static NOTE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if tonumber(string.match(redis.call('GETRANGE', KEYS[1], 0, 31), '^%d+') or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
",
    )
});

/// The sequence of an event.
///
/// The last event of a dimension keeps its sequence when another instance reports the same, so that both send one id. A new
/// event gets a higher one than any before. As in [`NEXT`] it is not below the time in milliseconds, so it rises even after
/// Redis has lost its memory, and one that is a day ahead is not ours. Keys: the sequences, as
/// `last|dimension:mark:number|...`. Arguments: dimension, mark, the least sequence, the time to live in milliseconds, and
/// "gone" where the connection is deleted. Answers in text, since a number may come back as another type.
pub(crate) static SEQUENCE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function bounded(text)
  local number = tonumber(text or '0') or 0
  if number > now + 86400000 then return 0 end
  return number
end
local known = redis.call('GETRANGE', KEYS[1], 0, 511)
local last = bounded(string.match(known, '^(%d+)|'))
local kept = ''
for dimension, mark, number in string.gmatch(known, '(%l+):(%x*):(%d+)') do
  number = bounded(number)
  if number > last then last = number end
  if dimension == ARGV[1] then
    if mark == ARGV[2] and number > 0 then return string.format('%.0f', number) end
  elseif ARGV[5] ~= 'gone' and dimension ~= 'existence' then
    kept = kept .. string.format('|%s:%s:%.0f', dimension, mark, number)
  end
end
local next = math.max(last + 1, tonumber(ARGV[3]), now)
local text = string.format('%.0f', next)
redis.call('SET', KEYS[1], text .. kept .. '|' .. ARGV[1] .. ':' .. ARGV[2] .. ':' .. text, 'PX', ARGV[4])
return text
",
    )
});

/// Releases a lease that is still its owner's. Keys: lease. Arguments: owner.
pub(crate) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    )
});

/// Extends a lease that is still its owner's. Keys: lease. Arguments: owner, milliseconds.
pub(crate) static EXTEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0",
    )
});

/// Registers an instance by Redis's own clock, and drops those whose registration has run out.
///
/// Keys: instances. Arguments: name, the milliseconds that the registration lasts.
pub(crate) static REGISTER: LazyLock<Script> = LazyLock::new(|| {
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
