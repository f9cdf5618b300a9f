-- Count the different orders of one form, and store the checkout session that it opened last. The session is encrypted.
--
-- KEYS     form
-- ARGV     key of the order, or '' · maximum number of orders · encrypted session to store, or '' · lifetime in ms
-- Returns  {ok, stored session or ''}
--          {too_many, stored session or ''}

local before = redis.call('HGET', KEYS[1], 'latest_session') or ''
if ARGV[1] ~= '' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  local orders = redis.call('HLEN', KEYS[1]) - (before ~= '' and 1 or 0)
  if orders >= assert(tonumber(ARGV[2]), 'maximum') then
    return {'too_many', before}
  end
  redis.call('HSET', KEYS[1], ARGV[1], '')
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'latest_session', ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'ok', before}
