-- Register the name of a campaign in its account before anything of the campaign is stored.
--
-- KEYS     account
-- ARGV     campaign
-- Returns  {1 if the name is new, else 0 · start of the last rebuild or '' · start of the last sync or ''}
--
-- A new name in an account that was rebuilt has no payment at Stripe, so its total is known to be zero. A known name
-- without a generation has lost its totals.

local new = redis.call('HSETNX', KEYS[1], 'campaign:' .. ARGV[1], 1)
local history = redis.call('HMGET', KEYS[1], 'last_rebuild_at', 'last_sync_at')
return {tostring(new), history[1] or '', history[2] or ''}
