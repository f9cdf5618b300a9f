-- Take, keep or give back the right to reconcile an account: a courtesy, since two passes at once are correct too.
--
-- KEYS  lease
-- ARGV  owner · seconds; 0: give it back
-- Gives {yes}, or {no}: somebody else has it. A lost answer changes nothing: the owner asks again and has it.

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return {'no'}
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return {'yes'}
