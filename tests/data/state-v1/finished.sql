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
INSERT INTO "experiment" VALUES(1,'study','{"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "study"}, "spec": {"parallelTrialCount": "2", "maxTrialCount": "5", "objective": {"type": "minimize", "objectiveMetricName": "loss", "additionalMetricNames": ["acc"], "goal": "-1"}, "algorithm": {"algorithmName": "random"}, "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}, {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}}], "trialTemplate": {"command": ["/bin/sh", "-c", "test ${trialParameters.x} = 0.5 && exit 1; for i in 3 2; do echo loss=$i acc=0.$i; done; echo loss=${trialParameters.x} acc=0.5"]}, "resumePolicy": "LongRunning"}}','{}','{}',0,0,'[{"type": "Created", "status": "True", "reason": "ExperimentCreated", "message": "the experiment is created", "lastUpdateTime": "2026-11-27T04:55:36.178984Z", "lastTransitionTime": "2026-11-27T04:55:36.178984Z"}, {"type": "Running", "status": "False", "reason": "ExperimentRunning", "message": "the experiment is running", "lastUpdateTime": "2026-11-27T04:55:36.270651Z", "lastTransitionTime": "2026-11-27T04:55:36.270651Z"}, {"type": "Succeeded", "status": "True", "reason": "ExperimentMaxTrialsReached", "message": "maxTrialCount 5 is reached", "lastUpdateTime": "2026-11-27T04:55:36.270651Z", "lastTransitionTime": "2026-11-27T04:55:36.270651Z"}]','2026-11-27T04:55:36.178984Z','2026-11-27T04:55:36.270651Z');
CREATE TABLE outbox (           -- batches that the DBManager has not confirmed
    trial INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (trial, batch)
) WITHOUT ROWID;
CREATE TABLE reports (
    trial INTEGER NOT NULL REFERENCES trials (number),
    batch INTEGER NOT NULL,     -- what is sent to the DBManager in one request
    time TEXT NOT NULL,
    metric TEXT NOT NULL,
    value TEXT NOT NULL
);
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:36.205977Z','loss','3');
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:36.206065Z','acc','0.3');
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:36.206089Z','loss','2');
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:36.206105Z','acc','0.2');
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:36.206118Z','loss','0.4460775389162096');
INSERT INTO "reports" VALUES(1,1,'2026-11-27T04:55:36.206131Z','acc','0.5');
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:36.213174Z','loss','3');
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:36.213247Z','acc','0.3');
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:36.213276Z','loss','2');
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:36.213300Z','acc','0.2');
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:36.213320Z','loss','0.6215769201354547');
INSERT INTO "reports" VALUES(0,1,'2026-11-27T04:55:36.213341Z','acc','0.5');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:36.231590Z','loss','3');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:36.231748Z','acc','0.3');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:36.231783Z','loss','2');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:36.231807Z','acc','0.2');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:36.231830Z','loss','0.6604559699709842');
INSERT INTO "reports" VALUES(2,1,'2026-11-27T04:55:36.231854Z','acc','0.5');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:36.240529Z','loss','3');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:36.240594Z','acc','0.3');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:36.240611Z','loss','2');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:36.240626Z','acc','0.2');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:36.240639Z','loss','0.5494315682868893');
INSERT INTO "reports" VALUES(3,1,'2026-11-27T04:55:36.240654Z','acc','0.5');
INSERT INTO "reports" VALUES(4,1,'2026-11-27T04:55:36.269484Z','loss','3');
INSERT INTO "reports" VALUES(4,1,'2026-11-27T04:55:36.269553Z','acc','0.3');
INSERT INTO "reports" VALUES(4,1,'2026-11-27T04:55:36.269575Z','loss','2');
INSERT INTO "reports" VALUES(4,1,'2026-11-27T04:55:36.269592Z','acc','0.2');
INSERT INTO "reports" VALUES(4,1,'2026-11-27T04:55:36.269608Z','loss','0.7575941919351827');
INSERT INTO "reports" VALUES(4,1,'2026-11-27T04:55:36.269625Z','acc','0.5');
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
INSERT INTO "trials" VALUES(0,'study-ad98595a','{"x": "0.6215769201354547", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'62','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.6215769201354547", "3", "0.6215769201354547", 3], "acc": ["0.2", "0.5", "0.5", 3]}','null','2026-11-27T04:55:36.193731Z','2026-11-27T04:55:36.199670Z','2026-11-27T04:55:36.222961Z');
INSERT INTO "trials" VALUES(1,'study-7fbd2aac','{"x": "0.4460775389162096", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'62','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.4460775389162096", "3", "0.4460775389162096", 3], "acc": ["0.2", "0.5", "0.5", 3]}','null','2026-11-27T04:55:36.193731Z','2026-11-27T04:55:36.202367Z','2026-11-27T04:55:36.207171Z');
INSERT INTO "trials" VALUES(2,'study-e400bcf6','{"x": "0.6604559699709842", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'62','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.6604559699709842", "3", "0.6604559699709842", 3], "acc": ["0.2", "0.5", "0.5", 3]}','null','2026-11-27T04:55:36.212054Z','2026-11-27T04:55:36.221314Z','2026-11-27T04:55:36.232854Z');
INSERT INTO "trials" VALUES(3,'study-6749244b','{"x": "0.5494315682868893", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'62','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.5494315682868893", "3", "0.5494315682868893", 3], "acc": ["0.2", "0.5", "0.5", 3]}','null','2026-11-27T04:55:36.226991Z','2026-11-27T04:55:36.228942Z','2026-11-27T04:55:36.241518Z');
INSERT INTO "trials" VALUES(4,'study-793c7b55','{"x": "0.7575941919351827", "kind": "a"}','{}','[]','Succeeded','',1,0,'',NULL,NULL,NULL,NULL,'62','{"rules": [], "steps": {}, "best": null}','{"loss": ["0.7575941919351827", "3", "0.7575941919351827", 3], "acc": ["0.2", "0.5", "0.5", 3]}','null','2026-11-27T04:55:36.251096Z','2026-11-27T04:55:36.260638Z','2026-11-27T04:55:36.270354Z');
CREATE INDEX reports_by_trial ON reports (trial, batch);
COMMIT;
PRAGMA user_version = 1;
