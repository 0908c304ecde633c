const [name, data] = arguments;
streams.at(-1).dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
return ['#connection', '#missing'].map((css) => document.querySelector(css).innerText).join(' | ');
