import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { withModelPath, withProgram } from '../../../../src/host/reports/notebook-cells.js';
import { readArray, reestimateModel, scratch, stale, writeRows } from '../../support/reestimate.js';

const folder = scratch();
after(() => rmSync(folder, { recursive: true }));

const PYTHON = '/usr/bin/python3';
const hasDask = () => spawnSync(PYTHON, ['-c', 'import distributed']).status === 0;

/** Returns the reason if Dask is neither installed nor can be. */
function missingDask(): string | undefined {
	if (hasDask()) {
		return undefined;
	}
	if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
		return 'Dask is not installed (python3-distributed in Debian), and apt-get cannot install it.';
	}
	const options = {
		encoding: 'utf8',
		timeout: 240_000,
		env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
	} as const;
	spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'python3-distributed'], options);
	return hasDask() ? undefined : 'apt-get could not install python3-distributed.';
}

/** Runs the command line; the first one kills the Dask worker that started it, by its process id. */
const PROGRAM = `
import os, signal, sys
try:
    os.close(os.open(sys.argv[1], os.O_CREAT | os.O_EXCL))
    with open(sys.argv[1] + ".pid", "w") as file:
        file.write(str(os.getppid()))
    os.kill(os.getppid(), signal.SIGKILL)
    sys.exit(3)
except FileExistsError:
    os.execv(sys.argv[2], sys.argv[2:])
`;

/** A cluster of three worker processes around the cell; prints the result, and whether the killed worker was one of them. */
const CLUSTER = `
import json, os, sys
from dask.distributed import Client, LocalCluster
if __name__ == "__main__":
    cell, log = sys.argv[1:3]
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, Client(cluster) as client:
        workers = list(client.run(os.getpid).values())
        names = {"client": client}
        with open(cell) as file:
            lines = file.read().rstrip().split("\\n")
        lines[-1] = "result = " + lines[-1]
        exec("\\n".join(lines), names)
    with open(log) as file:
        killed = int(file.read())
    print(json.dumps({"check": names["result"]["check"], "workers": len(workers), "killed": killed in workers}))
`;

describe('the cell for Dask', { skip: missingDask() }, () => {
	it('gives the statistics of a single machine, to the last bit, although a worker is killed', async () => {
		const [model, data] = [stale('mlp.stale.onnx'), readArray(stale('mlp.calibration.npy'))];
		const parts = [0, 1, 2, 3, 4, 5].map((part) => writeRows(folder, data, part * 8, part * 8 + 8));
		const file = (name: string, text: string) => {
			writeFileSync(path.join(folder, name), text);
			return path.join(folder, name);
		};
		const [output, marker] = [path.join(folder, 'dask.onnx'), path.join(folder, 'killed')];
		const program = [PYTHON, file('program.py', PROGRAM), marker, process.execPath, path.resolve('dist', 'cli.js')];
		const cell = readFileSync(path.resolve('media', 'cells', 'reestimate.py'), 'utf8')
			.replace('["part1", "part2"]', JSON.stringify(parts))
			.replace('"fresh.onnx"', JSON.stringify(output))
			.replace('["batchnorm-lens"])', '["batchnorm-lens"], batch=8)');
		const source = file('cell.py', withProgram(withModelPath(cell, model), program));
		const script = file('cluster.py', CLUSTER);
		const { status, stdout, stderr } = spawnSync(PYTHON, [script, source, `${marker}.pid`], {
			encoding: 'utf8',
			timeout: 180_000,
			env: { ...process.env, DASK_TEMPORARY_DIRECTORY: folder },
		});
		assert.equal(status, 0, stderr);
		const result = JSON.parse(stdout);
		assert.deepEqual([result.check.status, result.workers, result.killed], ['match', 3, true]);
		assert.ok(existsSync(marker));
		const single = path.join(folder, 'single.onnx');
		await reestimateModel(model, stale('mlp.calibration.npy'), { batch: 8, output: single });
		assert.deepEqual(readFileSync(output), readFileSync(single));
	});
});
