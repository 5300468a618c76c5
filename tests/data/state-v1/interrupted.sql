BEGIN TRANSACTION;
CREATE TABLE experiment (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    document TEXT NOT NULL,     -- the Experiment, JSON
    options TEXT NOT NULL,      -- of the command line, as far as they shape trials, JSON
    overlay TEXT NOT NULL,      -- settings that replies laid over the algorithm's own, JSON
    validated INTEGER NOT NULL,
    exhausted INTEGER NOT NULL, -- the server has no more suggestions
    conditions TEXT NOT NULL,   -- as in the CRD's status, JSON
    started TEXT NOT NULL,
    completed TEXT NOT NULL
);
INSERT INTO "experiment" VALUES(1,'study','{"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "study"}, "spec": {"parallelTrialCount": "2", "maxTrialCount": "5", "objective": {"type": "minimize", "objectiveMetricName": "loss"}, "algorithm": {"algorithmName": "random"}, "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}, {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}}], "trialTemplate": {"command": ["/bin/sh", "-c", "echo loss=${trialParameters.x}; n=$(ls -d ${SUGGEST_TRIAL_DIR%/*}/* | wc -l); test $n -gt 2 && test ! -e go && exec sleep 1000; exit 0"]}, "resumePolicy": "LongRunning"}}','{}','{}',0,0,'[{"type": "Created", "status": "True", "reason": "ExperimentCreated", "message": "the experiment is created", "lastUpdateTime": "2026-11-27T04:55:41.238648Z", "lastTransitionTime": "2026-11-27T04:55:41.238648Z"}, {"type": "Running", "status": "True", "reason": "ExperimentRunning", "message": "the experiment is running", "lastUpdateTime": "2026-11-27T04:55:41.249307Z", "lastTransitionTime": "2026-11-27T04:55:41.249307Z"}]','2026-11-27T04:55:41.238648Z','');
CREATE TABLE outbox (           -- batches that the DBManager has not confirmed
    trial INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (trial, batch)
) WITHOUT ROWID;
INSERT INTO "outbox" VALUES(0,1);
INSERT INTO "outbox" VALUES(1,1);
INSERT INTO "outbox" VALUES(2,1);
INSERT INTO "outbox" VALUES(3,1);
CREATE TABLE reports (
    trial INTEGER NOT NULL REFERENCES trials (number),
    batch INTEGER NOT NULL,     -- what is sent to the DBManager in one request
    time TEXT NOT NULL,
    metric TEXT NOT NULL,
    value TEXT NOT NULL
);
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:41.277694Z','loss','0.6215769201354547');
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:41.279942Z','loss','0.4460775389162096');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:41.309918Z','loss','0.6604559699709842');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:41.414369Z','loss','0.5494315682868893');
CREATE TABLE trials (
    number INTEGER PRIMARY KEY, -- of the suggestion, from 0
    name TEXT NOT NULL UNIQUE,
    assignment TEXT NOT NULL,   -- JSON, in the order of the reply
    labels TEXT NOT NULL,
    rules TEXT NOT NULL,        -- of early stopping, JSON
    condition TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,   -- from 1; a new one begins from nothing
    failures INTEGER NOT NULL,  -- attempts that failed
    stopping TEXT NOT NULL,     -- why its process is being ended
    pid INTEGER, ticks INTEGER, boot TEXT, -- of its process
    slot INTEGER,
    position TEXT NOT NULL,     -- where its collector goes on reading, JSON
    watch TEXT NOT NULL,        -- what its rules have seen, JSON
    series TEXT NOT NULL,       -- min, max, latest, count by metric, JSON
    cut TEXT NOT NULL,          -- bytes given back of its output, JSON [begin, end]
    created TEXT NOT NULL,
    started TEXT NOT NULL,
    completed TEXT NOT NULL
);
INSERT INTO "trials" VALUES(0,'study-ad98595a','{"x": "0.6215769201354547", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'24','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.6215769201354547", "0.6215769201354547", "0.6215769201354547", 1]}','null','2026-11-27T04:55:41.249307Z','2026-11-27T04:55:41.254595Z','2026-11-27T04:55:41.287636Z');
INSERT INTO "trials" VALUES(1,'study-7fbd2aac','{"x": "0.4460775389162096", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'24','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.4460775389162096", "0.4460775389162096", "0.4460775389162096", 1]}','null','2026-11-27T04:55:41.249307Z','2026-11-27T04:55:41.263715Z','2026-11-27T04:55:41.280498Z');
INSERT INTO "trials" VALUES(2,'study-e400bcf6','{"x": "0.6604559699709842", "kind": "a"}','{}','[]','Running','',1,0,'',13324,176795,'00000000-0000-4000-8000-000000000000',0,'24','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.6604559699709842", "0.6604559699709842", "0.6604559699709842", 1]}','null','2026-11-27T04:55:41.291714Z','2026-11-27T04:55:41.297363Z','');
INSERT INTO "trials" VALUES(3,'study-6749244b','{"x": "0.5494315682868893", "kind": "a"}','{}','[]','Running','',1,0,'',13328,176797,'00000000-0000-4000-8000-000000000000',1,'24','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.5494315682868893", "0.5494315682868893", "0.5494315682868893", 1]}','null','2026-11-27T04:55:41.308957Z','2026-11-27T04:55:41.312899Z','');
CREATE INDEX reports_by_trial ON reports (trial, batch);
COMMIT;
PRAGMA user_version = 1;
