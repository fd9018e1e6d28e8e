//! The compiled program, tried from the outside: against the embedded CRM on a
//! free port, and against a second CRM (`tiny`) written from the API's document.

mod apply;
mod bad_input;
mod check;
mod crm_faults;
mod describe;
mod docs;
mod draft;
mod drift;
mod export;
mod forms;
mod help;
mod hostile;
mod import;
mod keys;
mod lookup;
mod lost_answers;
mod mapped;
mod messy;
mod output_files;
mod power;
mod proof;
mod reading;
mod references;
mod rejects;
mod runs;
mod samples;
mod schema;
mod secrets;
mod support;
mod tables;
mod tiny;
mod told;
mod traps;
mod trial;
mod workbook;
