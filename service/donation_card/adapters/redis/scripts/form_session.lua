-- Count the different orders of one form, and store the checkout session that it opened last. The session is encrypted.
-- The form expires at a full hour, so that its expiry does not tell when a donor pressed the button.
--
-- KEYS     form
-- ARGV     key of the order, or '' · maximum number of orders · encrypted session to store, or '' · lifetime in s
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
local expires_at = tonumber(redis.call('TIME')[1]) + assert(tonumber(ARGV[4]), 'lifetime')
redis.call('EXPIREAT', KEYS[1], math.ceil(expires_at / 3600) * 3600)
return {'ok', before}
