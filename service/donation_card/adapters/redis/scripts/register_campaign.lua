-- Register the name of totals in their account before anything of them is stored.
--
-- KEYS     account
-- ARGV     name of the totals · campaign
-- Returns  {1 if the campaign is new, else 0 · start of the last rebuild or '' · start of the last sync or ''}
--
-- A new campaign in an account that was rebuilt has no payment at Stripe, so its total is known to be zero. A known
-- campaign without a generation has lost its totals, or has another currency now.

redis.call('HSET', KEYS[1], 'totals:' .. ARGV[1], 1)
local new = redis.call('HSETNX', KEYS[1], 'campaign:' .. ARGV[2], 1)
local history = redis.call('HMGET', KEYS[1], 'last_rebuild_at', 'last_sync_at')
return {tostring(new), history[1] or '', history[2] or ''}
