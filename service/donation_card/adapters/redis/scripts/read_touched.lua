-- Read which totals were touched since a worker read them last.
--
-- KEYS     account · touched
-- ARGV     number that the worker read last
-- Returns  {now in UTC seconds, registry or '', start of the last sync or '', newest number, names of totals with a later number ...}

local history = redis.call('HMGET', KEYS[1], 'registry', 'last_sync_at')
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local number = string.format('%.0f', tonumber(last[2] or '0'))
local reply = {redis.call('TIME')[1], history[1] or '', history[2] or '', number}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf')) do
  table.insert(reply, name)
end
return reply
