const { showWorkers } = await import('/fleet/workers.js');
showWorkers(Object.entries(rates).map(([id, rate]) => ({
  id, rate, host: 'h', threads: 2, in_flight: 0, done: 0, failed: 0, version: '1',
  state: id === 'c' ? 'dead' : 'live', last_seen: 1 })));
if (press) document.querySelector('#worker-head th:nth-child(9) button').click();
const rows = [...document.querySelectorAll('#worker-rows tr')];
return rows.map((row) => row.dataset.key + (row.className === 'dead' ? '✕' : '')).join('');
