-- Decide the public figure if its time has come, and read it: the only writer of `published`.
--
-- KEYS  meta · ranks, totals of live · published
-- ARGV  live id, or '' · step · min_gifts · offline · ended (1, 0) · cursor (UTC seconds) and joins that were seen before
--       · seconds after which a cursor is too old · boundaries in UTC seconds, ascending; none: exact and live
-- Gives {moved} · {fresh (1, 0), cursor or '', joins} where nothing was ever published · {fresh, cursor, joins, epoch, online,
-- offline, payments_at_move}.
--
-- The same rule as `decide` in domain/publication.py. Redis' own clock picks the newest boundary that has
-- begun, for the workers' clocks differ. What is not built decides nothing, nor what is older than it was before: a
-- Redis restored from a backup has rolled its cursor back too, or, where no pass came between, the count of its joins.

local step, min_gifts = assert(number(ARGV[2]), 'step'), assert(number(ARGV[3]), 'min_gifts')
local offline, ended = assert(number(ARGV[4]), 'offline'), ARGV[5] == '1'
local seen_cursor, seen_joins = assert(number(ARGV[6]), 'cursor'), assert(number(ARGV[7]), 'joins')
local patience = assert(number(ARGV[8]), 'patience')
local exact = #ARGV == 8
assert(step >= 1 and min_gifts >= 0, 'rule')

local now = tonumber(redis.call('TIME')[1])
local epoch = exact and now or nil
for index = 9, #ARGV do
  local boundary = assert(number(ARGV[index]), 'boundary')
  if boundary <= now then
    epoch = boundary
  end
end

local live = redis.call('HGET', KEYS[1], 'live') or ''
if live ~= ARGV[1] then
  return {'moved'}
end
local cursor = live ~= '' and number(redis.call('HGET', KEYS[1], 'cursor:' .. live))
local joins = number(redis.call('HGET', KEYS[1], 'joins') or '0') or 0
local fresh = cursor and (cursor > seen_cursor or cursor == seen_cursor and joins >= seen_joins)
local totals = fresh and cursor >= now - patience and sums(KEYS[2], KEYS[3])

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
  -- a figure that once counted a payment too many must not wait for it for ever
  local since = math.min(published.payments_at_move, payments)
  local moves = differs and (exact or ended or payments - since >= min_gifts)
  return {
    epoch = math.max(epoch, published.epoch),
    online = moves and online or published.online,
    offline = offline,
    payments_at_move = moves and payments or since,
  }
end

if totals and epoch then
  local figure = decide(totals.raised, totals.payments)
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

local answer = {totals and '1' or '0', cursor and string.format('%.0f', cursor) or '', string.format('%.0f', joins)}
if published then
  for _, field in ipairs(fields) do
    table.insert(answer, string.format('%.0f', published[field]))
  end
end
return answer
