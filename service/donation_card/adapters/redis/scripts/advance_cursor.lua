-- Move the cursor of the current generation after a complete sync.
--
-- KEYS     meta · versions and totals of the generation that was synchronised
-- ARGV     its id · cursor in UTC seconds · number of updates before the sync
-- Returns  {ok, number of payments that were reversed before the sync and do not count yet}
--          {invalidated}  the generation is not current, not complete, or contradicts itself
--
-- The name of the field contains the id, so a cursor never applies to another generation. The cursor never goes back:
-- of two concurrent syncs, the later start covers the earlier one. A cursor that is ahead of the clock is replaced.

local cursor, field = assert(parse_int(ARGV[2]), 'cursor'), 'cursor:' .. ARGV[1]
local stored = parse_int(redis.call('HGET', KEYS[1], field))
local sums, waiting = read_totals(KEYS[2], KEYS[3])
if redis.call('HGET', KEYS[1], 'current') ~= ARGV[1] or not stored or not sums then
  return {'invalidated'}
end
if cursor > stored or stored > tonumber(redis.call('TIME')[1]) + MAX_AHEAD then
  redis.call('HSET', KEYS[1], field, ARGV[2])
end
local uncounted = 0
for _, since in ipairs(waiting) do
  uncounted = uncounted + (since <= tonumber(ARGV[3]) and 1 or 0)
end
return {'ok', tostring(uncounted)}
