-- Say that a generation holds everything Stripe knew up to a cursor: only if it is the live one still, and whole.
--
-- KEYS  meta · ranks, totals of that generation
-- ARGV  its id · cursor in UTC seconds
-- Gives {marked}, or {gone}: what the pass had joined went with its generation, and it proves nothing.
--
-- The marker bears the generation's name, so it can never be read as another one's. It never goes back: of two
-- passes at once, the later start covers the earlier.

assert(string.match(ARGV[2], '^%d+$') and #ARGV[2] <= 15, 'cursor')
if redis.call('HGET', KEYS[1], 'live') ~= ARGV[1] or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'gone'}
end
local marker = 'cursor:' .. ARGV[1]
if tonumber(ARGV[2]) > tonumber(redis.call('HGET', KEYS[1], marker) or '-1') then
  redis.call('HSET', KEYS[1], marker, ARGV[2])
end
return {'marked'}
