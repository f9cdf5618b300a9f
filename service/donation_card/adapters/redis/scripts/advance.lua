-- Move the cursor on after a complete pass: only of the live generation, only where it is whole and has a cursor.
--
-- KEYS  meta · ranks, totals of that generation
-- ARGV  its id · cursor in UTC seconds
-- Gives {advanced}, or {gone}: what the pass had joined went with its generation, and it proves nothing.
--
-- The marker bears the generation's name, so it can never be read as another one's. It never goes back: of two
-- passes at once, the later start covers the earlier.

local cursor, marker = assert(number(ARGV[2]), 'cursor'), 'cursor:' .. ARGV[1]
local held = number(redis.call('HGET', KEYS[1], marker))
if redis.call('HGET', KEYS[1], 'live') ~= ARGV[1] or not held or not sums(KEYS[2], KEYS[3]) then
  return {'gone'}
end
if cursor > held then
  redis.call('HSET', KEYS[1], marker, ARGV[2])
end
return {'advanced'}
