-- Compare a rebuild with the current generation, then promote the rebuild or discard it.
--
-- KEYS     meta · versions and totals of the current generation · versions and totals of the rebuild
-- ARGV     current id · rebuild id · cursor of the promoted generation (UTC seconds), or '' to discard the rebuild
-- Returns  {stale_generation}  the current generation is another one
--          {invalidated}       another rebuild began, or this one lost a key
--          {ok, verdict, uncounted, raised and payments after, raised and payments before}
--
-- The verdict is `match`, `mismatch`, or `unknown` if the current generation was not complete. `uncounted` is the number
-- of payments that Stripe lists as reversed, but not as paid. The last two values are missing where they cannot be read.

-- A site whose sums are zero may be missing.
local function is_subset(one, other)
  for field, value in pairs(one) do
    if (other[field] or 0) ~= value then
      return false
    end
  end
  return true
end

assert(ARGV[3] == '' or parse_int(ARGV[3]), 'cursor')
local meta = redis.call('HMGET', KEYS[1], 'current', 'rebuild', 'last_reply')
if ARGV[3] ~= '' and meta[1] == ARGV[2] then -- this call is a repetition, because the first reply was lost
  return cjson.decode(meta[3])
end
if meta[1] ~= ARGV[1] then
  return {'stale_generation'}
end
local after, waiting = read_totals(KEYS[4], KEYS[5])
if meta[2] ~= ARGV[2] or not after then
  return {'invalidated'}
end
local uncounted = 0
for _, since in ipairs(waiting) do -- rebuild_apply writes 0; a reversal that came as a webhook meanwhile may be early
  uncounted = uncounted + (since == 0 and 1 or 0)
end
local reply = {'ok', 'unknown', tostring(uncounted), string.format('%.0f', after.raised), string.format('%.0f', after.payments)}
if redis.call('HEXISTS', KEYS[1], 'cursor:' .. ARGV[1]) == 1 then
  local before = read_totals(KEYS[2], KEYS[3])
  reply[2] = before and is_subset(before, after) and is_subset(after, before) and 'match' or 'mismatch'
  local sums = redis.pcall('HMGET', KEYS[3], 'raised', 'payments')
  if not sums.err and parse_int(sums[1]) and parse_int(sums[2]) then
    table.insert(reply, sums[1])
    table.insert(reply, sums[2])
  end
end

if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], 'rebuild', 'salt:' .. ARGV[2])
  redis.call('UNLINK', KEYS[4], KEYS[5])
  return reply
end
redis.call('HSET', KEYS[1], 'current', ARGV[2], 'last_reply', cjson.encode(reply))
redis.call('HDEL', KEYS[1], 'rebuild', 'salt:' .. ARGV[1], 'cursor:' .. ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'cursor:' .. ARGV[2], ARGV[3]) -- last, because the cursor marks a generation as complete
return reply
