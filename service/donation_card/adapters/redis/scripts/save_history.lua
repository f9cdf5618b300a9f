-- Store the history of a complete sync.
--
-- KEYS     account
-- ARGV     registry that the sync read · fields and values
-- Returns  {ok}
--          {invalidated}  a campaign was added, or the account lost its campaigns; nothing was written
--
-- With this history, the total of a campaign without a name in the account is zero. So the names must be complete.

if (redis.call('HGET', KEYS[1], 'registry') or '') ~= ARGV[1] then
  return {'invalidated'}
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return {'ok'}
