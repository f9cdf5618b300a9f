-- Join one state of one Stripe object: in the live generation, and in the shadow while one is being filled.
--
-- KEYS  meta · ranks, totals of live · ranks, totals of the shadow
-- ARGV  kind · site · rank · live id · the object's hash there · shadow id, or '' · its hash there · contributions[0…rank]
-- Gives {moved} (the ids are not those of meta, or live is broken: nothing was written) · {applied} · {unchanged}.
--
-- Lua has no rollback: everything that can be wrong is found before the first write.

local function number(text) -- at most 15 digits: a Lua number is a double, exact up to 2^53
  local digits = text and string.match(text, '^%-?(%d+)$')
  return digits and #digits <= 15 and tonumber(text)
end

local kind, site, rank = ARGV[1], ARGV[2], assert(number(ARGV[3]), 'rank')
assert(kind == 'payment' or kind == 'refund' or kind == 'dispute', 'kind')
assert(#site >= 1 and #site <= 255, 'site')
assert(#ARGV == 8 + rank and ARGV[8] == '0', 'contributions')
local contributions = {}
for index = 8, #ARGV do
  contributions[index - 8] = assert(number(ARGV[index]), 'contribution')
end

local function plan(ranks, totals, hash)
  assert(#hash == 16, 'hash')
  local known = assert(number(redis.call('HGET', ranks, hash) or '0'), 'rank held')
  local fields = {'raised', 'payments', 'site:' .. site .. ':raised', 'site:' .. site .. ':payments'}
  local held = redis.call('HMGET', totals, unpack(fields))
  if rank <= known then
    return nil
  end
  local money = contributions[rank] - contributions[known]
  local gift = (kind == 'payment' and known < 1) and 1 or 0
  local steps = {money, gift, money, gift}
  for index = 1, 4 do
    local sum = assert(number(held[index] or '0'), 'total held') + steps[index]
    assert(math.abs(sum) < 1e15, 'total')
  end
  return {ranks = ranks, totals = totals, hash = hash, fields = fields, steps = steps}
end

local function write(change)
  redis.call('HSET', change.ranks, change.hash, rank)
  for index = 1, 4 do
    if change.steps[index] ~= 0 then -- also keeps a "-0" from being written
      redis.call('HINCRBY', change.totals, change.fields[index], string.format('%.0f', change.steps[index]))
    end
  end
end

local meta = redis.call('HMGET', KEYS[1], 'live', 'shadow')
if meta[1] ~= ARGV[4] or (meta[2] or '') ~= ARGV[6] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'moved'}
end
local live = plan(KEYS[2], KEYS[3], ARGV[5])
local shadow = nil
if ARGV[6] ~= '' and redis.call('EXISTS', KEYS[4], KEYS[5]) == 2 then -- a broken shadow is for its rebuild to find
  shadow = plan(KEYS[4], KEYS[5], ARGV[7])
end

redis.call('HINCRBY', KEYS[1], 'joins', 1) -- always a write: WAIT then covers the one before it, also for a repetition
if live then
  write(live)
end
if shadow then
  write(shadow)
end
return {live and 'applied' or 'unchanged'}
