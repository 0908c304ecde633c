const [columns, failed, back] = arguments;
const { showMosaic, paintTiles } = await import('/mosaic/live.js');
for (const id of ['job-body', 'stage', 'mosaic-frame', 'tiles-caption']) {
  document.getElementById(id).hidden = false;
}
document.querySelector('#frame').style.setProperty('--ratio', 1);
const [job, side] = [`x${columns}`, 64 * columns];
showMosaic({ id: job, result_width: side, result_height: side, tile_size: 64, status: 'processing', links: {} });
const slot = Math.min(128, Math.floor(512 / columns));
const length = 12 + 4 * slot * slot;
const bytes = new Uint8Array(back.length * length).fill(255);
const workers = back.map(({ worker }) => worker);
back.forEach(({ tile, attempt }, index) => {
  const view = new DataView(bytes.buffer, index * length);
  view.setUint32(0, tile, true);
  view.setUint16(4, index + 1, true);
  view.setUint16(6, attempt, true);
  view.setUint32(8, 70, true);
});
const packed = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
paintTiles({ job, columns, rows: columns, slot, workers, failed, packed });
