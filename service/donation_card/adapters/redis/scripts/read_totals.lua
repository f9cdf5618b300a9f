-- Read the totals of the current generation in one step.
--
-- KEYS     meta · versions and totals of the current generation
-- ARGV     current id, or '' if the worker knows none
-- Returns  {stale_generation}  the current generation is another one
--          {missing}           there is no generation, or it lost a key
--          {ok, current id, updates}  the totals contradict themselves
--          {ok, current id, updates, cursor or '', raised, payments, then for each site its host, raised, payments}

local current = redis.call('HGET', KEYS[1], 'current') or ''
if current ~= ARGV[1] then
  return {'stale_generation'}
end
if current == '' or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'missing'}
end
local updates = redis.call('HGET', KEYS[1], 'updates') or '0'
local sums = read_totals(KEYS[2], KEYS[3])
if not sums then
  return {'ok', current, updates}
end
local cursor = redis.call('HGET', KEYS[1], 'cursor:' .. current) or ''
local reply = {'ok', current, updates, cursor, string.format('%.0f', sums.raised), string.format('%.0f', sums.payments)}
for field, raised in pairs(sums) do
  local site = string.match(field, '^site:(.+):raised$')
  if site then
    table.insert(reply, site)
    table.insert(reply, string.format('%.0f', raised))
    table.insert(reply, string.format('%.0f', sums['site:' .. site .. ':payments'] or 0))
  end
end
return reply
