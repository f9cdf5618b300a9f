-- Decide the public figure if its time has come, and read it: the only writer of `published`.
--
-- KEYS  meta · ranks, totals of live · published
-- ARGV  live id, or '' · step · min_gifts · offline · ended (1, 0) · boundaries in UTC seconds, ascending; none: exact and live
-- Gives {moved} · {built (1, 0)} where nothing was ever published · {built, epoch, online, offline, payments_at_move}.
--
-- The same rule as `decide` in service/domain/publication.py. Redis' own clock picks the newest boundary that has
-- begun, for the workers' clocks differ; what is not built decides nothing.

local function number(text) -- at most 15 digits: a Lua number is a double, exact up to 2^53
  local digits = text and string.match(text, '^%-?(%d+)$')
  return digits and #digits <= 15 and tonumber(text)
end

local step, min_gifts = assert(number(ARGV[2]), 'step'), assert(number(ARGV[3]), 'min_gifts')
local offline, ended = assert(number(ARGV[4]), 'offline'), ARGV[5] == '1'
local exact = #ARGV == 5
assert(step >= 1 and min_gifts >= 0, 'rule')

local now = tonumber(redis.call('TIME')[1])
local epoch = exact and now or nil
for index = 6, #ARGV do
  local boundary = assert(number(ARGV[index]), 'boundary')
  if boundary <= now then
    epoch = boundary
  end
end

local live = redis.call('HGET', KEYS[1], 'live') or ''
if live ~= ARGV[1] then
  return {'moved'}
end
local built = live ~= ''
  and redis.call('HEXISTS', KEYS[1], 'cursor:' .. live) == 1
  and redis.call('EXISTS', KEYS[2], KEYS[3]) == 2

local fields = {'epoch', 'online', 'offline', 'payments_at_move'}
local published = nil
if redis.call('EXISTS', KEYS[4]) == 1 then
  published = {}
  for index, text in ipairs(redis.call('HMGET', KEYS[4], unpack(fields))) do
    published[fields[index]] = assert(number(text), 'figure held')
  end
end

local function decide(raised, payments)
  local online = math.max(0, raised)
  online = online - online % (exact and 1 or step)
  if not published then
    return {epoch = epoch, online = online, offline = offline, payments_at_move = payments}
  end
  local differs = online ~= published.online
  if exact and not differs and offline == published.offline or not exact and epoch <= published.epoch then
    return published
  end
  local moves = differs and (exact or ended or payments - published.payments_at_move >= min_gifts)
  return {
    epoch = math.max(epoch, published.epoch),
    online = moves and online or published.online,
    offline = offline,
    payments_at_move = moves and payments or published.payments_at_move,
  }
end

if built and epoch then
  local totals = redis.call('HMGET', KEYS[3], 'raised', 'payments')
  local figure = decide(assert(number(totals[1]), 'total held'), assert(number(totals[2]), 'total held'))
  if figure ~= published then
    local pairs_to_write = {}
    for _, field in ipairs(fields) do
      table.insert(pairs_to_write, field)
      table.insert(pairs_to_write, string.format('%.0f', figure[field]))
    end
    redis.call('HSET', KEYS[4], unpack(pairs_to_write))
    published = figure
  end
end

local answer = {built and '1' or '0'}
if published then
  for _, field in ipairs(fields) do
    table.insert(answer, string.format('%.0f', published[field]))
  end
end
return answer
