-- Acquire, renew or release the right to synchronise an account. It saves work only: two concurrent syncs are correct.
--
-- KEYS     lease
-- ARGV     owner · seconds, or 0 to release it
-- Returns  {acquired}
--          {held_by_other}

local owner = redis.call('GET', KEYS[1])
-- A lease that expires later than any lease may was acquired while the clock was ahead.
local ahead = redis.call('PTTL', KEYS[1]) > (tonumber(ARGV[2]) + MAX_AHEAD) * 1000
if owner and owner ~= ARGV[1] and (ARGV[2] == '0' or not ahead) then
  return {'held_by_other'}
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return {'acquired'}
