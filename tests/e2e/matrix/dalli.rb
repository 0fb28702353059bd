#!/usr/bin/ruby
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# dalli.rb HOST PORT LABEL: the whole API of dalli, which speaks binary.

require 'dalli'
Dalli.logger.level = Logger::ERROR

HOST, PORT, LABEL = ARGV
LARGE = Random.bytes(2 << 20)
$stdout.sync = true
$failed = 0

def is(name, got, want = true)
  if got == want
    puts "ok #{LABEL}: #{name}"
  else
    $failed += 1
    puts "not ok #{LABEL}: #{name} - got #{got.inspect[0, 100]}, not #{want.inspect[0, 100]}"
  end
end

def client(options = {})
  Dalli::Client.new("#{HOST}:#{PORT}", { socket_timeout: 60 }.merge(options))
end

# The class of what is raised, or the result.
def raised
  yield
rescue StandardError => e
  e.class.name
end

c = client
is 'alive!', raised { c.alive!; true }
is 'version', c.version.size, 1
is 'flush', c.flush, [true]
is 'set', [c.set('a', 'x' * 3000).is_a?(Integer), c.get('a')], [true, 'x' * 3000]
is 'set of objects', [c.set('o', { l: [1, nil, 2.5] }).is_a?(Integer), c.get('o')],
   [true, { l: [1, nil, 2.5] }]
is 'get of nothing', c.get('no'), nil
is 'set with a ttl', [c.set('t', 1, 1000).is_a?(Integer), c.get('t')], [true, 1]
(0...50).each { |i| c.set("m#{i}", "v#{i}") }
is 'get_multi', c.get_multi('m1', 'm49', 'm50'), { 'm1' => 'v1', 'm49' => 'v49' }
seen = {}
c.get_multi(%w[m2 m3]) { |k, v| seen[k] = v }
is 'get_multi with a block', seen, { 'm2' => 'v2', 'm3' => 'v3' }
is 'fetch', [c.fetch('f') { 'made' }, c.fetch('f') { 'again' }], %w[made made]
is 'cas', [c.cas('m1') { |v| v + '!' }.is_a?(Integer), c.get('m1'), c.cas('no') { 1 }],
   [true, 'v1!', nil]
is 'cas that loses', c.cas('m1') { |v| c.set('m1', 'other'); v }, false
is 'cas!', [c.cas!('c') { |v| v.inspect }.is_a?(Integer), c.get('c')], [true, 'nil']
v, cas = c.get_cas('m2')
is 'get_cas, set_cas', [v, c.set_cas('m2', 'w', cas).is_a?(Integer), c.set_cas('m2', 'x', cas)],
   ['v2', true, false]
is 'get_multi_cas', c.get_multi_cas('m3', 'no').transform_values { |x| [x[0], x[1].positive?] },
   { 'm3' => ['v3', true] }
_, cas = c.get_cas('m3')
is 'replace_cas', [c.replace_cas('m3', 'w', cas).is_a?(Integer), c.replace_cas('m3', 'x', cas)],
   [true, false]
_, cas = c.get_cas('m3')
is 'delete_cas', [c.delete_cas('m3', cas + 1), c.delete_cas('m3', cas), c.get('m3')],
   [false, true, nil]
is 'add', [c.add('new', 1).is_a?(Integer), c.add('new', 2)], [true, false]
is 'replace', [c.replace('new', 2).is_a?(Integer), c.replace('no', 2)], [true, 0]
c.set('raw', '2', nil, raw: true)
is 'append, prepend', [c.append('raw', '>'), c.prepend('raw', '<'), c.get('raw'), c.append('no', 'x'),
                       c.prepend('no', 'x')], [true, true, '<2>', false, false]
is 'incr', [c.incr('n', 1, 1000, 41), c.incr('n', 9), c.incr('no')], [41, 50, nil]
is 'decr', [c.decr('n', 8), c.decr('n', 100), c.decr('no'), c.decr('d', 1, 1000, 7)],
   [42, 0, nil, 7]
is 'incr of text', raised { c.incr('raw') }, 'Dalli::DalliError'
is 'touch', [c.touch('n', 1000), c.touch('no', 1000)], [true, nil]
is 'gat', [c.gat('m4', 1000), c.gat('no', 1000)], ['v4', nil]
is 'delete', [c.delete('m4'), c.delete('m4'), c.get('m4')], [true, nil, nil]
c.multi do
  (0...100).each { |i| c.set("q#{i}", i) }
  c.delete('q7')
  c.add('q8', 'no')
end
is 'multi (quiet)', c.get_multi('q0', 'q7', 'q8', 'q99'), { 'q0' => 0, 'q8' => 8, 'q99' => 99 }
is 'too large', raised { c.set('big', LARGE, nil, raw: true, compress: false) }, 'Dalli::ValueOverMaxSize'
big = client(value_max_bytes: 4 << 20)
raised { big.set('big', LARGE, nil, raw: true, compress: false) }
is 'too large for the server', c.get('big'), nil
z = client(compress: true)
is 'compressed', [z.set('z', 'abc' * 30_000).is_a?(Integer), z.get('z')], [true, 'abc' * 30_000]
n = client(namespace: 'ns')
is 'namespace', [n.set('k', 'v').is_a?(Integer), c.get('ns:k')], [true, 'v']
is 'stats', c.stats.values.first['cmd_set'].to_i > 50
is 'stats settings', c.stats(:settings).values.first.key?('maxconns')
is 'stats items, slabs', [c.stats(:items).size, c.stats(:slabs).size], [1, 1]
is 'reset_stats', c.reset_stats, [true]
is 'with', c.with { |x| x.get('m5') }, 'v5'
c.set('soon', 1, 1)
is 'flush with a delay', c.flush(1), [true]
sleep 2.2
is 'and after it', [c.get('soon'), c.get('m5')], [nil, nil]
c.close
is 'after close it connects again', c.set('m5', 1).is_a?(Integer)
exit($failed.zero? ? 0 : 1)
