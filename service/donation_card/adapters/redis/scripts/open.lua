-- Tell which generations a campaign has, and open its first one where there is none: whoever comes first names it.
--
-- KEYS  meta · ranks, totals of the proposed generation · ranks, totals of the doubted one
-- ARGV  schema · proposed id, or '' to look only · its salt · doubted id, or '' · the proposed one's cursor, or ''
-- Gives {the schema found (another one is left alone), live, its salt, shadow, its salt}.
--
-- A doubted generation that lost one of its keys (evicted, deleted by hand) is replaced, not mended: with its ranks
-- gone and its totals left, every state joined again would count again. The new one is not built: unknown, not wrong.

assert(ARGV[5] == '' or number(ARGV[5]), 'cursor')
local schema = redis.call('HGET', KEYS[1], 'schema') or ARGV[1]
local live = redis.call('HGET', KEYS[1], 'live')
local broken = live and live == ARGV[4] and redis.call('EXISTS', KEYS[4], KEYS[5]) < 2

if ARGV[2] ~= '' and schema == ARGV[1] and (broken or not live) then
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'live', ARGV[2], 'salt:' .. ARGV[2], ARGV[3])
  open(KEYS[2], KEYS[3])
  if broken then
    redis.call('HDEL', KEYS[1], 'salt:' .. live, 'cursor:' .. live)
    redis.call('UNLINK', KEYS[4], KEYS[5])
  elseif ARGV[5] ~= '' then
    redis.call('HSET', KEYS[1], 'cursor:' .. ARGV[2], ARGV[5])
  end
  live = ARGV[2]
end

local shadow = redis.call('HGET', KEYS[1], 'shadow')
return {
  schema,
  live,
  live and redis.call('HGET', KEYS[1], 'salt:' .. live),
  shadow,
  shadow and redis.call('HGET', KEYS[1], 'salt:' .. shadow),
}
