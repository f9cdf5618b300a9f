-- Return the generations of a campaign. Create the first one where there is none, or replace one that lost a key.
--
-- KEYS     meta · versions and totals of the proposed generation · versions and totals of the suspected one
-- ARGV     schema · proposed id, or '' to read only · its salt · suspected id or '' · cursor of the proposed one or ''
-- Returns  {schema, current id, its salt, rebuild id, its salt}; with another schema nothing is written
--
-- A suspected generation that lost a key (evicted, deleted by hand) is replaced. Without its versions, every state that
-- is applied again would be counted again. The new generation has no cursor, so the totals are unknown and not wrong.

assert(ARGV[5] == '' or parse_int(ARGV[5]), 'cursor')
local schema = redis.call('HGET', KEYS[1], 'schema') or ARGV[1]
local current = redis.call('HGET', KEYS[1], 'current')
local broken = current and current == ARGV[4] and redis.call('EXISTS', KEYS[4], KEYS[5]) < 2

if ARGV[2] ~= '' and schema == ARGV[1] and (broken or not current) then
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'current', ARGV[2], 'salt:' .. ARGV[2], ARGV[3])
  create_generation(KEYS[2], KEYS[3])
  if broken then
    redis.call('HDEL', KEYS[1], 'salt:' .. current, 'cursor:' .. current)
    redis.call('UNLINK', KEYS[4], KEYS[5])
  elseif ARGV[5] ~= '' then
    redis.call('HSET', KEYS[1], 'cursor:' .. ARGV[2], ARGV[5])
  end
  current = ARGV[2]
end

local rebuild = redis.call('HGET', KEYS[1], 'rebuild')
return {
  schema,
  current,
  current and redis.call('HGET', KEYS[1], 'salt:' .. current),
  rebuild,
  rebuild and redis.call('HGET', KEYS[1], 'salt:' .. rebuild),
}
