-- Register the names of totals in their account before anything of them is stored.
--
-- KEYS     account
-- ARGV     a random text, which names the new set of campaigns · names of totals
-- Returns  {number of new campaigns · start of the last rebuild or '' · start of the last sync or ''}
--
-- A new campaign in an account that was rebuilt has no payment at Stripe, so its total is known to be zero. A known
-- campaign without a generation has lost its totals, or has another currency now.

local new = 0
for index = 2, #ARGV do
  redis.call('HSET', KEYS[1], 'totals:' .. ARGV[index], 1)
  new = new + redis.call('HSETNX', KEYS[1], 'campaign:' .. string.match(ARGV[index], '^[^/]*'), 1)
end
if new > 0 then
  redis.call('HSET', KEYS[1], 'registry', ARGV[1])
end
local history = redis.call('HMGET', KEYS[1], 'last_rebuild_at', 'last_sync_at')
return {tostring(new), history[1] or '', history[2] or ''}
