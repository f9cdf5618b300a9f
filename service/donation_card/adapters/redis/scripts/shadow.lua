-- Open a shadow beside the live generation; an older one, whose rebuild died or is being overtaken, is thrown away.
--
-- KEYS  meta · ranks, totals of the new shadow · ranks, totals of the older one
-- ARGV  live id · older shadow's id, or '' · new shadow's id · its salt
-- Gives {moved} (the ids are not those of meta) · {opened}.

local meta = redis.call('HMGET', KEYS[1], 'live', 'shadow')
if meta[1] ~= ARGV[1] or (meta[2] or '') ~= ARGV[2] then
  return {'moved'}
end
if ARGV[2] ~= '' then
  redis.call('HDEL', KEYS[1], 'salt:' .. ARGV[2])
  redis.call('UNLINK', KEYS[4], KEYS[5])
end
redis.call('HSET', KEYS[1], 'shadow', ARGV[3], 'salt:' .. ARGV[3], ARGV[4])
open(KEYS[2], KEYS[3])
return {'opened'}
