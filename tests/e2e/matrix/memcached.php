#!/usr/bin/php
<?php
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# memcached.php HOST PORT LABEL text|binary: the whole API of php-memcached.

error_reporting(E_ALL & ~E_WARNING);
[, $host, $port, $label, $protocol] = $argv;
$binary = $protocol === 'binary';
$failed = 0;

function is(string $name, $got, $want = true): void
{
	global $label, $failed;

	if ($got === $want) {
		echo "ok $label: $name\n";
	} else {
		$failed++;
		printf("not ok %s: %s - got %.100s, not %.100s\n", $label, $name,
			json_encode($got), json_encode($want));
	}
}

function client(): Memcached
{
	global $host, $port, $binary;

	$m = new Memcached();
	$m->setOptions([Memcached::OPT_BINARY_PROTOCOL => $binary, Memcached::OPT_TCP_NODELAY => true,
		Memcached::OPT_CONNECT_TIMEOUT => 20000, Memcached::OPT_POLL_TIMEOUT => 60000,
		Memcached::OPT_COMPRESSION => false]);
	$m->addServer($host, (int)$port);
	return $m;
}

# both key and code
function code(Memcached $m, $result)
{
	return [$result, $m->getResultCode()];
}

$m = client();
is('getVersion', count($m->getVersion()), 1);
is('flush', $m->flush());
is('set', $m->set('a', str_repeat('x', 3000)));
is('get', $m->get('a'), str_repeat('x', 3000));
is('get of nothing', code($m, $m->get('no')), [false, Memcached::RES_NOTFOUND]);
is('get with a callback', $m->get('cb', function ($m, $key, &$v) { $v = "made $key"; return true; }),
	'made cb');
is('set of values', [$m->set('i', 17), $m->set('l', [1, ['2' => 3.5]]), $m->set('t', true),
	$m->get('i'), $m->get('l'), $m->get('t')], [true, true, true, 17, [1, ['2' => 3.5]], true]);
is('set with an expiry', [$m->set('e', 'v', 1000), $m->get('e')], [true, 'v']);
is('set until a time', [$m->set('e', 'v', time() + 1000), $m->get('e')], [true, 'v']);
is('set that is expired', [$m->set('e', 'v', time() - 100), $m->get('e')], [true, false]);
$many = [];
for ($i = 0; $i < 50; $i++)
	$many["m$i"] = "v$i";
is('setMulti', $m->setMulti($many, 1000));
is('getMulti', $m->getMulti(['m1', 'm49', 'm50', 'm2']), ['m1' => 'v1', 'm49' => 'v49', 'm2' => 'v2']);
is('getMulti in order', $m->getMulti(['m1', 'm50', 'm2'], Memcached::GET_PRESERVE_ORDER),
	['m1' => 'v1', 'm50' => null, 'm2' => 'v2']);
is('getDelayed, fetch', [$m->getDelayed(['m3', 'm50', 'm4'], true),
	$m->fetch()['value'], $m->fetch()['key'], $m->fetch()], [true, 'v3', 'm4', false]);
is('getDelayed, fetchAll', [$m->getDelayed(['m3', 'm4']), count($m->fetchAll())], [true, 2]);
$g = $m->get('m1', null, Memcached::GET_EXTENDED);
is('get extended', [$g['value'], $g['cas'] > 0], ['v1', true]);
is('cas', [$m->cas($g['cas'], 'm1', 'w'), code($m, $m->cas($g['cas'], 'm1', 'z')), $m->get('m1')],
	[true, [false, Memcached::RES_DATA_EXISTS], 'w']);
is('cas of nothing', code($m, $m->cas(12345, 'no', 'z')), [false, Memcached::RES_NOTFOUND]);
is('add', [$m->add('new', '1'), $m->add('new', '2')], [true, false]);
is('replace', [$m->replace('new', '2'), $m->replace('no', '2')], [true, false]);
is('append', [$m->append('new', '>'), $m->append('no', 'x'), $m->get('new')], [true, false, '2>']);
is('prepend', [$m->prepend('new', '<'), $m->prepend('no', 'x'), $m->get('new')], [true, false, '<2>']);
is('increment', [$m->set('n', 40), $m->increment('n'), $m->increment('n', 9)], [true, 41, 50]);
is('decrement', [$m->decrement('n'), $m->decrement('n', 100)], [49, 0]);
is('increment of nothing', code($m, $m->increment('no')), [false, Memcached::RES_NOTFOUND]);
if ($binary) {
	is('increment with an initial value', [$m->increment('in', 1, 7, 1000), $m->increment('in', 1, 7)],
		[7, 8]);
	is('decrement with an initial value', [$m->decrement('de', 1, 7), $m->decrement('de', 1, 7)],
		[7, 6]);
}
$m->set('text', 'abc');
is('increment of text', $m->increment('text'), false);
is('touch', [$m->touch('n', 1000), code($m, $m->touch('no', 5))],
	[true, [false, Memcached::RES_NOTFOUND]]);
is('touch to the past', [$m->touch('m5', time() - 100), $m->get('m5')], [true, false]);
is('delete', [$m->delete('n'), code($m, $m->delete('n')), $m->get('n')],
	[true, [false, Memcached::RES_NOTFOUND], false]);
$d = $m->deleteMulti(['m6', 'm7', 'no']);
is('deleteMulti', [$d['m6'], $d['m7'], $d['no']], [true, true, Memcached::RES_NOTFOUND]);
is('setByKey, getByKey', [$m->setByKey('s', 'bk', 'v'), $m->getByKey('s', 'bk')], [true, 'v']);
is('setMultiByKey, getMultiByKey', [$m->setMultiByKey('s', ['b1' => 'x', 'b2' => 'y']),
	$m->getMultiByKey('s', ['b1', 'b2'])], [true, ['b1' => 'x', 'b2' => 'y']]);
$g = $m->getByKey('s', 'bk', null, Memcached::GET_EXTENDED);
is('casByKey', $m->casByKey($g['cas'], 's', 'bk', 'w'));
is('addByKey, replaceByKey', [$m->addByKey('s', 'bk', 'x'), $m->replaceByKey('s', 'bk', 'x')],
	[false, true]);
is('appendByKey, prependByKey', [$m->appendByKey('s', 'bk', '>'), $m->prependByKey('s', 'bk', '<'),
	$m->getByKey('s', 'bk')], [true, true, '<x>']);
$m->setByKey('s', 'nk', 5);
is('incrementByKey, decrementByKey', [$m->incrementByKey('s', 'nk', 2), $m->decrementByKey('s', 'nk')],
	[7, 6]);
is('touchByKey, deleteByKey', [$m->touchByKey('s', 'bk', 100), $m->deleteByKey('s', 'bk'),
	$m->getByKey('s', 'bk')], [true, true, false]);
is('deleteMultiByKey', $m->deleteMultiByKey('s', ['b1', 'b2']), ['b1' => true, 'b2' => true]);
$s = $m->getStats();
is('getStats', count($s) === 1 && reset($s)['cmd_set'] > 10);
is('getStats settings', $binary || count($m->getStats('settings')) === 1);
is('too large', [$m->set('big', str_repeat('x', 2 << 20)), $m->get('big')], [false, false]);
is('after it all is well', $m->get('m1'), 'w');
$b = client();
$b->setOption(Memcached::OPT_BUFFER_WRITES, true);
for ($i = 0; $i < 200; $i++)
	$b->set("q$i", $i);
is('buffered writes', [$b->flushBuffers(), $b->get('q199')], [true, 199]);
$n = client();
$n->setOption(Memcached::OPT_NOREPLY, true);
$n->set('nr', 'x');
$n->set('nr', 'y');
$n->quit();
usleep(200000);
is('noreply', $m->get('nr'), 'y');
$z = client();
$z->setOption(Memcached::OPT_COMPRESSION, true);
is('compressed', [$z->set('z', str_repeat('abc', 30000)), $z->get('z') === str_repeat('abc', 30000)],
	[true, true]);
$p = client();
$p->setOption(Memcached::OPT_PREFIX_KEY, 'pre:');
is('prefix', [$p->set('k', 'v'), $m->get('pre:k')], [true, 'v']);
is('quit, and it connects again', [$m->quit(), $m->get('m1')], [true, 'w']);
exit($failed ? 1 : 0);
