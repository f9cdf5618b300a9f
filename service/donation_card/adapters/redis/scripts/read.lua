-- Read what the live generation holds, in one piece.
--
-- KEYS  meta · ranks, totals of live
-- ARGV  live id, or ''
-- Gives {moved} (the id is not that of meta) · {lost} (there is none, or it lost a key) · {held, live id} (it contradicts
-- itself) · {held, live id, cursor or '', raised, payments}.

local live = redis.call('HGET', KEYS[1], 'live') or ''
if live ~= ARGV[1] then
  return {'moved'}
end
if live == '' or redis.call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  return {'lost'}
end
local held = sums(KEYS[2], KEYS[3])
if not held then
  return {'held', live}
end
local cursor = redis.call('HGET', KEYS[1], 'cursor:' .. live) or ''
return {'held', live, cursor, string.format('%.0f', held.raised), string.format('%.0f', held.payments)}
