-- Register the names of campaigns in their account before anything of the campaigns is stored.
--
-- KEYS     account
-- ARGV     a random text, which names the new set of campaigns · campaigns
-- Returns  {number of new names · start of the last rebuild or '' · start of the last sync or ''}
--
-- A new name in an account that was rebuilt has no payment at Stripe, so its total is known to be zero. A known name
-- without a generation has lost its totals.

local new = 0
for index = 2, #ARGV do
  new = new + redis.call('HSETNX', KEYS[1], 'campaign:' .. ARGV[index], 1)
end
if new > 0 then
  redis.call('HSET', KEYS[1], 'registry', ARGV[1])
end
local history = redis.call('HMGET', KEYS[1], 'last_rebuild_at', 'last_sync_at')
return {tostring(new), history[1] or '', history[2] or ''}
