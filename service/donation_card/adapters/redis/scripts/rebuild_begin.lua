-- Begin a rebuild beside the current generation, and remove an unfinished one.
--
-- KEYS     meta · versions and totals of the new rebuild · versions and totals of the unfinished one
-- ARGV     current id · id of the unfinished rebuild or '' · id of the new rebuild · its salt
-- Returns  {stale_generation}  the ids differ from meta
--          {ok}

local meta = redis.call('HMGET', KEYS[1], 'current', 'rebuild')
if meta[1] ~= ARGV[1] or (meta[2] or '') ~= ARGV[2] then
  return {'stale_generation'}
end
if ARGV[2] ~= '' then
  redis.call('HDEL', KEYS[1], 'salt:' .. ARGV[2])
  redis.call('UNLINK', KEYS[4], KEYS[5])
end
redis.call('HSET', KEYS[1], 'rebuild', ARGV[3], 'salt:' .. ARGV[3], ARGV[4])
create_generation(KEYS[2], KEYS[3])
return {'ok'}
