-- End a rebuild: compare the shadow with the live generation, then let it take over, or throw it away.
--
-- KEYS  meta · ranks, totals of live · ranks, totals of the shadow
-- ARGV  live id · shadow id · the cursor to mark it built with; '': throw it away
-- Gives {moved} (live is another) · {gone} (the shadow is) · {compared, verdict, raised, payments found, raised, payments had}.
--
-- The verdict: same, different, or unbuilt, where nobody had claimed anything. What live had is left out where it is no
-- number. The marker is written here, last: whatever is built has one.

local function covers(one, other) -- a site that comes to nothing may be left out
  for field, value in pairs(one) do
    if (other[field] or 0) ~= value then
      return false
    end
  end
  return true
end

assert(ARGV[3] == '' or number(ARGV[3]), 'cursor')
local meta = redis.call('HMGET', KEYS[1], 'live', 'shadow', 'compared')
if ARGV[3] ~= '' and meta[1] == ARGV[2] then -- done, and the answer was lost on its way
  return cjson.decode(meta[3])
end
if meta[1] ~= ARGV[1] then
  return {'moved'}
end
local found = meta[2] == ARGV[2] and sums(KEYS[4], KEYS[5])
if not found then
  return {'gone'}
end
local answer = {'compared', 'unbuilt', string.format('%.0f', found.raised), string.format('%.0f', found.payments)}
if redis.call('HEXISTS', KEYS[1], 'cursor:' .. ARGV[1]) == 1 then
  local held = sums(KEYS[2], KEYS[3])
  answer[2] = held and covers(held, found) and covers(found, held) and 'same' or 'different'
  local had = redis.pcall('HMGET', KEYS[3], 'raised', 'payments')
  if not had.err and number(had[1]) and number(had[2]) then
    table.insert(answer, had[1])
    table.insert(answer, had[2])
  end
end

if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], 'shadow', 'salt:' .. ARGV[2])
  redis.call('UNLINK', KEYS[4], KEYS[5])
  return answer
end
redis.call('HSET', KEYS[1], 'live', ARGV[2], 'compared', cjson.encode(answer))
redis.call('HDEL', KEYS[1], 'shadow', 'salt:' .. ARGV[1], 'cursor:' .. ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'cursor:' .. ARGV[2], ARGV[3])
return answer
