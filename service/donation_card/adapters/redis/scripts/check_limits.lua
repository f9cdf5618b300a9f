-- Add signals of card testing, decide the attack level, and charge all buckets or none.
--
-- KEYS     limits · the value to consume (the same key again if there is none)
-- ARGV     1-3    signals: declined · expired · proofs_rejected
--          4-7    WINDOW_MS · DEESCALATE_AFTER_MS · ESCALATE_AFTER_MS · REJECTED_PROOFS_THRESHOLD
--          8-11   MAX_LEVEL · DECLINE_THRESHOLD · EXPIRY_THRESHOLD · QUIET_WINDOWS_TO_END
--          12-13  id of this call · ms for which a consumed value is stored at least, 0: nothing to consume
--          14-    for each bucket: name · interval_ms · burst
-- Returns  {allowed | limited | replayed, ms until every bucket has room, attack level, override or ''}
--
-- The time is the time of the Redis server. The rules are those of domain/attack_detection.py (`next_state`) and
-- domain/rate_limits.py (`acquire_all`). A call that is repeated after a lost reply charges twice, which is stricter. It
-- consumes once, because the id is the same.

local function argument(index)
  return assert(tonumber(ARGV[index]), 'argument')
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local window_ms, deescalate_after_ms, escalate_after_ms = argument(4), argument(5), argument(6)
local rejected_proofs_threshold, max_level = argument(7), argument(8)
local decline_threshold, expiry_threshold, quiet_windows_to_end = argument(9), argument(10), argument(11)
local call_id, ttl_ms = ARGV[12], argument(13)

local names = {'level', 'window_start', 'quiet_windows', 'declined', 'expired', 'proofs_rejected', 'override'}
local stored = redis.call('HMGET', KEYS[1], unpack(names))
local function field(index)
  return tonumber(stored[index] or '0') or 0
end
local level, window_start, quiet_windows = field(1), math.min(field(2), now), field(3)
local declined, expired, proofs_rejected = field(4), field(5), field(6)

local function threshold_reached(factor)
  return declined * factor >= decline_threshold or expired * factor >= expiry_threshold
end
local function start_window(new_level, quiet)
  level, quiet_windows, window_start = new_level, quiet, now
  declined, expired, proofs_rejected = 0, 0, 0
end
if now - window_start >= (level > 1 and deescalate_after_ms or window_ms) then
  local active = threshold_reached(2)
  if level > 1 then
    active = proofs_rejected >= rejected_proofs_threshold
  end
  quiet_windows = active and 0 or quiet_windows + 1
  if quiet_windows >= (level == 1 and quiet_windows_to_end or 1) then
    start_window(math.max(level - 1, 0), 0)
  else
    start_window(level, quiet_windows)
  end
end
declined, expired, proofs_rejected = declined + argument(1), expired + argument(2), proofs_rejected + argument(3)
local age, escalate = now - window_start, threshold_reached(1)
if level > 0 then
  escalate = age >= escalate_after_ms and proofs_rejected >= rejected_proofs_threshold
    and proofs_rejected * 1000 >= age
end
if escalate then
  start_window(math.min(level + 1, max_level), 0)
end

local buckets, full_at, longest_wait = {}, {}, 0
for index = 14, #ARGV, 3 do
  local bucket, interval_ms, burst = 'bucket:' .. ARGV[index], argument(index + 1), argument(index + 2)
  local at = tonumber(redis.call('HGET', KEYS[1], bucket) or '0') or 0
  local highest = now + burst * interval_ms
  -- A clock that was set back must not close a bucket for long. More than five minutes ahead, the instant is unknown.
  at = at > highest + 300000 and 0 or math.min(at, highest)
  longest_wait = math.max(longest_wait, at - now - (burst - 1) * interval_ms)
  buckets[#buckets + 1], full_at[#full_at + 1] = bucket, math.max(at, now) + interval_ms
end

local decision = longest_wait > 0 and 'limited' or 'allowed'
if ttl_ms > 0 then
  local consumed_by = redis.call('GET', KEYS[2])
  if consumed_by and consumed_by ~= call_id then
    decision = 'replayed'
  end
end
redis.call('HSET', KEYS[1], 'level', level, 'window_start', string.format('%d', window_start),
  'quiet_windows', quiet_windows, 'declined', declined, 'expired', expired,
  'proofs_rejected', proofs_rejected)
if #buckets == 0 then -- a worker calls once a second; forget the times of buckets that are full again
  local fields = redis.call('HGETALL', KEYS[1])
  for index = 1, #fields, 2 do
    if string.sub(fields[index], 1, 7) == 'bucket:' and (tonumber(fields[index + 1]) or 0) <= now then
      redis.call('HDEL', KEYS[1], fields[index])
    end
  end
end
if decision == 'allowed' then
  for index, bucket in ipairs(buckets) do
    redis.call('HSET', KEYS[1], bucket, string.format('%d', full_at[index]))
  end
  if ttl_ms > 0 then
    redis.call('SET', KEYS[2], call_id)
    redis.call('EXPIREAT', KEYS[2], math.ceil((now + ttl_ms) / 3600000) * 3600) -- a full hour tells no time of a donation
  end
end
return {decision, string.format('%d', math.max(longest_wait, 0)), string.format('%d', level), stored[7] or ''}
