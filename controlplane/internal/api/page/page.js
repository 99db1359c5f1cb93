'use strict';
(() => {
  const KEY = 'corral.key';
  const INTERVAL = 2000;
  const $ = (id) => document.getElementById(id);
  // Under /k/KEY/ the key is in the path already, and everything lies below it.
  const root = location.pathname.replace(/\/*$/, '/');
  const keyInPath = root.startsWith('/k/');
  let timer = 0;
  let asked = 0;

  const el = (tag, text, className) => {
    const e = document.createElement(tag);
    e.textContent = text;
    if (className) e.className = className;
    return e;
  };
  const row = (...cells) => {
    const tr = document.createElement('tr');
    tr.append(...cells);
    return tr;
  };
  const size = (bytes) => {
    const units = ['B', 'KB', 'MB', 'GB', 'TB'];
    let i = 0;
    for (; bytes >= 1000 && i < units.length - 1; i++) bytes /= 1000;
    return `${bytes < 10 && i > 0 ? bytes.toFixed(1) : Math.round(bytes)} ${units[i]}`;
  };
  const percent = (p) => (p === null || p === undefined ? '–' : `${Math.round(p)} %`);
  const tone = {
    ok: 'good', online: 'good', loaded: 'good', ready: 'good', available: '',
    degraded: 'warn', starting: 'warn', away: 'bad', failed: 'bad', stopped: 'bad',
  };
  const state = (s) => el('td', s, tone[s] || '');

  const read = async (path) => {
    const key = sessionStorage.getItem(KEY);
    const headers = { Accept: 'application/json' };
    if (key) headers.Authorization = `Bearer ${key}`;
    const response = await fetch(root + path, { headers, credentials: 'same-origin' });
    const body = await response.json();
    if (!response.ok) throw Object.assign(new Error(body.error), { status: response.status });
    return body;
  };

  const memory = (sample) => {
    const m = sample && sample.memory;
    return m && m.total_bytes > 0 ? (100 * m.used_bytes) / m.total_bytes : null;
  };

  const showNumbers = (status, metrics) => {
    const numbers = [
      ['hosts online', `${status.hosts.online} / ${status.hosts.total}`],
      ['models', status.models.total],
      ['loaded', status.models.loaded],
      ['requests', metrics.total_requests],
      ['mean answer', `${Math.round(metrics.avg_response_time)} ms`],
      ['CPU', metrics.hosts_reporting ? percent(metrics.cpu_usage) : '–'],
      ['memory', metrics.hosts_reporting ? percent(metrics.memory_usage) : '–'],
    ];
    $('numbers').replaceChildren(...numbers.map(([name, value]) => {
      const li = el('li', name);
      li.prepend(el('strong', value));
      return li;
    }));
    $('problems').replaceChildren(...status.problems.map((p) => el('li', p)));
    $('summary').textContent = `Version ${status.version}, ${status.status}`;
  };

  const showHosts = (hosts) => {
    $('hosts').replaceChildren(...hosts.map((h) => row(
      el('td', h.draining ? `${h.name} (draining)` : h.name),
      state(h.state),
      el('td', h.instances.map((i) => `${i.name} ${i.version || ''} ${i.state}`).join(', ') || '–'),
      el('td', h.instances.reduce((n, i) => n + (i.models || []).length, 0), 'right'),
      el('td', percent(h.sample && h.sample.cpu_percent), 'right'),
      el('td', percent(memory(h.sample)), 'right'),
    )));
    if (hosts.length === 0) $('hosts').append(row(el('td', 'No host has joined yet.', 'muted')));
  };

  const showModels = (models) => {
    $('models').replaceChildren(...models.map((m) => row(
      el('td', m.conflict ? `${m.name} (hosts disagree about its content)` : m.name),
      state(m.status),
      el('td', size(m.size), 'right'),
      el('td', m.residencies.map((r) => r.host).join(', ')),
    )));
    if (models.length === 0) $('models').append(row(el('td', 'No model is on any host.', 'muted')));
  };

  const fail = (message) => {
    $('error').textContent = message;
    $('error').hidden = false;
  };

  const refresh = async () => {
    clearTimeout(timer);
    const mine = ++asked;
    let again = true;
    try {
      const [status, metrics, hosts, models] = await Promise.all(
        ['api/system/status', 'api/metrics', 'api/hosts', 'api/models'].map(read));
      if (mine !== asked) return;
      showNumbers(status, metrics);
      showHosts(hosts);
      showModels(models);
      $('fleet').hidden = false;
      $('error').hidden = true;
    } catch (e) {
      if (mine !== asked) return;
      again = !(e.status === 401 || e.status === 403);
      if (!again) $('fleet').hidden = true;
      const silent = e.status === 401 && !sessionStorage.getItem(KEY) && !keyInPath;
      if (!silent) fail(e.status ? e.message : 'The server does not answer.');
    }
    if (again) timer = setTimeout(refresh, INTERVAL);
  };

  const showCommands = () => {
    const here = location.origin;
    $('join').textContent = [
      'corral-controlplane token create --data-dir DIR',
      `corral-agent run --server ${here} --token TOKEN`,
    ].join('\n');
    $('call').textContent = [
      'corral-controlplane key create --data-dir DIR --name me --role inference',
      '',
      `OLLAMA_HOST=${here}/k/KEY ollama list`,
      `curl ${here}/api/chat -H 'Authorization: Bearer KEY' -d '{"model": "MODEL", "message": "Hello"}'`,
      `OPENAI_BASE_URL=${here}/v1 OPENAI_API_KEY=KEY   # for OpenAI's libraries`,
    ].join('\n');
  };

  $('access').addEventListener('submit', (e) => {
    e.preventDefault();
    const key = $('key').value.trim();
    if (key) sessionStorage.setItem(KEY, key);
    $('key').value = '';
    $('forget').hidden = !sessionStorage.getItem(KEY);
    $('error').hidden = true;
    refresh();
  });
  $('forget').addEventListener('click', () => {
    sessionStorage.removeItem(KEY);
    clearTimeout(timer);
    asked++;
    $('forget').hidden = true;
    $('fleet').hidden = true;
    $('summary').textContent = 'Enter a key to see the fleet.';
  });
  $('forget').hidden = !sessionStorage.getItem(KEY);
  $('access').hidden = keyInPath;
  showCommands();
  refresh();
})();
