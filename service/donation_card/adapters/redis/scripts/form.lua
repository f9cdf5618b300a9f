-- What all workers know of one form: how many different orders it began, and, sealed, the session it opened last.
--
-- KEYS  form
-- ARGV  name of the order that is pressed, or '' · most orders · sealed session that was opened, or '' · ms to remember
-- Gives {fine | many, the session that was opened before, or ''}. Asked again after a lost answer, it changes nothing more.

local before = redis.call('HGET', KEYS[1], 'latest') or ''
if ARGV[1] ~= '' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  local begun = redis.call('HLEN', KEYS[1]) - (before ~= '' and 1 or 0)
  if begun >= assert(tonumber(ARGV[2]), 'most') then
    return {'many', before}
  end
  redis.call('HSET', KEYS[1], ARGV[1], '')
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'latest', ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'fine', before}
