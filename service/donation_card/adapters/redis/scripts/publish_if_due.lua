-- Decide the public total if its time has come, and return it. No other script writes `published`.
-- The series is that of the campaign or that of one site. Each has a key `published` of its own.
--
-- KEYS     meta · versions and totals of the current generation · published
-- ARGV     1    current id or ''
--          2-6  rounding in minor units · min_donations · offline total · listed part of it · has the campaign ended (1, 0)
--          7-8  number of a step · its threshold: how far the sum must be above it until it is published
--          9-11 cursor and updates that this worker saw last · maximum age of a cursor in seconds
--          12   earliest start of a sync (UTC seconds) that counts for this worker
--          13   '', or what the fields of the site begin with: 'site:{host}:'
--          14-  starts of publication periods (UTC seconds, ascending); none: publish exactly and at once
-- Returns  {stale_generation}      the current generation is another one
--          {other_step, number}    the decision needs the threshold of this step
--          {fresh (1, 0), cursor or '', updates, unknown instants, now}  nothing was ever published
--          {fresh, cursor, updates, unknown instants, now, period_start, raised, listed, payments_at_last_change}
--
-- The rule is that of domain/publication.py (`next_published_total`). The clocks of the workers differ, so the clock of
-- Redis selects the newest period that has begun. Nothing is decided while the totals are unknown or older than
-- before. A Redis that was restored from a backup has an older cursor, or fewer updates if no sync came between. A
-- worker that started after the restore cannot see this, so it waits for a sync that began after its start.

local function argument(index)
  return assert(parse_int(ARGV[index]), 'argument')
end

local step, min_donations, offline, listed, ended = argument(2), argument(3), argument(4), argument(5), ARGV[6] == '1'
local known_step, threshold = argument(7), argument(8)
local seen_cursor, seen_updates, stale_after, synced_since = argument(9), argument(10), argument(11), argument(12)
local series, immediate = ARGV[13], #ARGV == 13
assert(step >= 1 and min_donations >= 0, 'policy')

local now = tonumber(redis.call('TIME')[1])
local latest = now + MAX_AHEAD -- a stored instant after it is unknown
local period_start = immediate and now or nil
for index = 14, #ARGV do
  local start = argument(index)
  if start <= now then
    period_start = start
  end
end

local current = redis.call('HGET', KEYS[1], 'current') or ''
if current ~= ARGV[1] then
  return {'stale_generation'}
end
local cursor = current ~= '' and parse_int(redis.call('HGET', KEYS[1], 'cursor:' .. current))
local updates = parse_int(redis.call('HGET', KEYS[1], 'updates') or '0') or 0
local unknown_instants = 0
if cursor and cursor > latest then
  cursor, unknown_instants = false, 1
end
if seen_cursor > latest then
  seen_cursor, seen_updates = 0, 0
end
local not_older = cursor and (cursor > seen_cursor or cursor == seen_cursor and updates >= seen_updates)
local fresh = not_older and cursor >= now - stale_after and cursor >= synced_since
local totals = fresh and read_totals(KEYS[2], KEYS[3])

local fields = {'period_start', 'raised', 'listed', 'payments_at_last_change'}
local published = nil
if redis.call('EXISTS', KEYS[4]) == 1 then
  published = {}
  for index, text in ipairs(redis.call('HMGET', KEYS[4], unpack(fields))) do
    published[fields[index]] = assert(parse_int(text), 'stored total')
  end
end

local ahead = published and published.period_start > latest
if ahead then
  unknown_instants = unknown_instants + 1
end

local function next_published_total(via_stripe, payments)
  if not immediate and published and not ahead and period_start <= published.period_start then
    return published
  end
  local raised = math.max(0, via_stripe + offline)
  if not immediate then
    local above = raised % step
    raised = raised - above
    if raised / step ~= known_step then
      return nil, raised / step
    end
    raised = above < threshold and raised - step or raised
  end
  if not published then
    return {period_start = period_start, raised = raised, listed = listed, payments_at_last_change = payments}
  end
  local differs = raised ~= published.raised
  if immediate and not ahead and not differs and listed == published.listed then
    return published
  end
  -- a total that once counted a payment too many must not wait for that payment for ever
  local since = math.min(published.payments_at_last_change, payments)
  local change = differs and (immediate or ended or payments - since >= min_donations)
  return {
    period_start = ahead and period_start or math.max(period_start, published.period_start),
    raised = change and raised or published.raised,
    listed = listed,
    payments_at_last_change = change and payments or since,
  }
end

if totals and period_start then
  -- a site without a donation has no fields
  local decided, other_step = next_published_total(totals[series .. 'raised'] or 0, totals[series .. 'payments'] or 0)
  if not decided then
    return {'other_step', string.format('%.0f', other_step)}
  end
  if decided ~= published then
    local pairs_to_write = {}
    for _, name in ipairs(fields) do
      table.insert(pairs_to_write, name)
      table.insert(pairs_to_write, string.format('%.0f', decided[name]))
    end
    redis.call('HSET', KEYS[4], unpack(pairs_to_write))
    published = decided
  end
end

local reply = {
  totals and '1' or '0',
  cursor and string.format('%.0f', cursor) or '',
  string.format('%.0f', updates),
  tostring(unknown_instants),
  string.format('%.0f', now),
}
if published then
  for _, name in ipairs(fields) do
    table.insert(reply, string.format('%.0f', published[name]))
  end
end
return reply
