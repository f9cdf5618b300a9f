-- Note that the public total of some campaigns may change at once. Only ids are stored, in their order, and no time.
--
-- KEYS     touched
-- ARGV     names of totals
-- Returns  {ok}

local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local number = (tonumber(last[2] or '0') or 0) + 1
for _, name in ipairs(ARGV) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', number), name)
end
return {'ok'}
