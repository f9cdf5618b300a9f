-- Write a campaign's name down in its account, before anything of it is kept, and tell what the account knew.
--
-- KEYS  account
-- ARGV  campaign
-- Gives {new (1, 0), rebuilt or '', reconciled or ''}.
--
-- A name that was never written down on a rebuilt account has no payment at Stripe: it is zero, and that is known. One
-- that was written down and has nothing in Redis has lost it.

local new = redis.call('HSETNX', KEYS[1], 'campaign:' .. ARGV[1], 1)
local known = redis.call('HMGET', KEYS[1], 'rebuilt', 'reconciled')
return {tostring(new), known[1] or '', known[2] or ''}
