// Preloaded into a Node server (`node --require`): it listens on 127.0.0.1 only and says {"port": N} on stdout;
// the body of every request it gets is appended to the file LEDGER.
"use strict";
const fs = require("node:fs");
const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  this.prependListener("request", record);
  this.once("listening", () => fs.writeSync(1, JSON.stringify({ port: this.address().port }) + "\n"));
  return listen.call(this, Number(port), "127.0.0.1", ...rest);
};

function record(request) {
  const push = request.push;
  let body = "";
  request.push = (chunk, ...rest) => {
    if (chunk) body += chunk;
    else if (body) fs.appendFileSync(process.env.LEDGER, body.replaceAll("\n", " ") + "\n");
    return push.call(request, chunk, ...rest);
  };
}
