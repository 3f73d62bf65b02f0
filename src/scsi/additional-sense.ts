/** The standard's words for an ADDITIONAL SENSE CODE and its qualifier (SPC-4, annex F.2). */
export function additionalSenseText(asc: number, ascq: number): string {
  return (
    texts.get((asc << 8) | ascq) ??
    (asc >= 0x80 || ascq >= 0x80 ? "Vendor specific" : "Unknown additional sense code")
  );
}

/** Code and qualifier in hexadecimal, then the words. */
const table = `
0000 No Additional Sense Information
0001 Filemark Detected
0002 End Of Partition/Medium Detected
0003 Setmark Detected
0004 Beginning Of Partition Detected
0005 End Of Data Detected
0006 I/O Process Terminated
0016 Operation In Progress
0017 Cleaning Requested
0018 Erase Operation In Progress
0019 Locate Operation In Progress
001a Rewind Operation In Progress
001b Set Capacity Operation In Progress
001c Verify operation in progress
0100 No Index/Sector Signal
0200 No Seek Complete
0300 Peripheral Device Write Fault
0400 Logical Unit Not Ready, Cause Not Reportable
0401 Logical Unit Is In Process Of Becoming Ready
0402 Logical Unit Not Ready, Initializing Command Required
0403 Logical Unit Not Ready, Manual Intervention Required
0404 Logical Unit Not Ready, Format In Progress
0405 Logical Unit Not Ready, Rebuild In Progress
0406 Logical Unit Not Ready, Recalculation In Progress
0407 Logical Unit Not Ready, Operation In Progress
0409 Logical Unit Not Ready, Self-Test In Progress
040a Logical Unit Not Accessible, Asymmetric Access State Transition
040b Logical Unit Not Accessible, Target Port In Standby State
040c Logical Unit Not Accessible, Target Port In Unavailable State
0411 Logical Unit Not Ready, Notify (Enable Spinup) Required
0414 Logical Unit Not Ready, Space Allocation In Progress
041a Logical Unit Not Ready, Start Stop Unit Command In Progress
041b Logical Unit Not Ready, Sanitize In Progress
0500 Logical Unit Does Not Respond To Selection
0600 No Reference Position Found
0700 Multiple Peripheral Devices Selected
0800 Logical Unit Communication Failure
0801 Logical Unit Communication Time-Out
0802 Logical Unit Communication Parity Error
0803 Logical Unit Communication CRC Error (Ultra-Dma/32)
0804 Unreachable Copy Target
0900 Track Following Error
0904 Head Select Fault
0a00 Error Log Overflow
0b00 Warning
0b01 Warning - Specified Temperature Exceeded
0b02 Warning - Enclosure Degraded
0c00 Write Error
0c02 Write Error - Auto Reallocation Failed
0c03 Write Error - Recommend Reassignment
0c04 Compression Check Miscompare Error
0c05 Data Expansion Occurred During Compression
0c06 Block Not Compressible
0c0c Write Error - Unexpected Unsolicited Data
0c0d Write Error - Not Enough Unsolicited Data
0d00 Error Detected By Third Party Temporary Initiator
0d01 Third Party Device Failure
0d02 Copy Target Device Not Reachable
0d03 Incorrect Copy Target Device Type
0d04 Copy Target Device Data Underrun
0d05 Copy Target Device Data Overrun
0e00 Information Unit Too Short
0e01 Information Unit Too Long
1000 ID CRC Or ECC Error
1001 Logical Block Guard Check Failed
1100 Unrecovered Read Error
1101 Read Retries Exhausted
1102 Error Too Long To Correct
1103 Multiple Read Errors
1104 Unrecovered Read Error - Auto Reallocate Failed
110a Miscorrected Error
110b Unrecovered Read Error - Recommend Reassignment
110c Unrecovered Read Error - Recommend Rewrite The Data
110d De-Compression CRC Error
110e Cannot Decompress Using Declared Algorithm
1200 Address Mark Not Found For Id Field
1300 Address Mark Not Found For Data Field
1400 Recorded Entity Not Found
1401 Record Not Found
1405 Record Not Found - Recommend Reassignment
1406 Record Not Found - Data Auto-Reallocated
1500 Random Positioning Error
1501 Mechanical Positioning Error
1502 Positioning Error Detected By Read Of Medium
1600 Data Synchronization Mark Error
1601 Data Sync Error - Data Rewritten
1602 Data Sync Error - Recommend Rewrite
1603 Data Sync Error - Data Auto-Reallocated
1604 Data Sync Error - Recommend Reassignment
1700 Recovered Data With No Error Correction Applied
1701 Recovered Data With Retries
1702 Recovered Data With Positive Head Offset
1703 Recovered Data With Negative Head Offset
1705 Recovered Data Using Previous Sector Id
1706 Recovered Data Without ECC - Data Auto-Reallocated
1707 Recovered Data Without ECC - Recommend Reassignment
1708 Recovered Data Without ECC - Recommend Rewrite
1709 Recovered Data Without ECC - Data Rewritten
1800 Recovered Data With Error Correction Applied
1801 Recovered Data With Error Corr. & Retries Applied
1802 Recovered Data - Data Auto-Reallocated
1805 Recovered Data - Recommend Reassignment
1806 Recovered Data - Recommend Rewrite
1807 Recovered Data With ECC - Data Rewritten
1900 List Error
1901 List Not Available
1902 List Error In Primary List
1903 List Error In Grown List
1a00 Parameter List Length Error
1b00 Synchronous Data Transfer Error
1c00 Defect List Not Found
1c01 Primary Defect List Not Found
1c02 Grown Defect List Not Found
1d00 Miscompare During Verify Operation
1d01 Miscompare Verify Of Unmapped LBA
1e00 Recovered Id With ECC Correction
1f00 Defect List Transfer
2000 Invalid Command Operation Code
2100 Logical Block Address Out Of Range
2101 Invalid Element Address
2400 Invalid Field In CDB
2401 CDB Decryption Error
2500 Logical Unit Not Supported
2600 Invalid Field In Parameter List
2601 Parameter Not Supported
2602 Parameter Value Invalid
2603 Threshold Parameters Not Supported
2604 Invalid Release Of Persistent Reservation
2605 Data Decryption Error
2606 Too Many Target Descriptors
2607 Unsupported Target Descriptor Type Code
2608 Too Many Segment Descriptors
2609 Unsupported Segment Descriptor Type Code
260a Unexpected Inexact Segment
260b Inline Data Length Exceeded
260c Invalid Operation For Copy Source Or Destination
260d Copy Segment Granularity Violation
2700 Write Protected
2701 Hardware Write Protected
2702 Logical Unit Software Write Protected
2707 Space Allocation Failed Write Protect
2800 Not Ready To Ready Change, Medium May Have Changed
2801 Import Or Export Element Accessed
2900 Power On, Reset, Or Bus Device Reset Occurred
2901 Power On Occurred
2902 SCSI Bus Reset Occurred
2903 Bus Device Reset Function Occurred
2904 Device Internal Reset
2905 Transceiver Mode Changed To Single-Ended
2906 Transceiver Mode Changed To LVD
2907 I_T Nexus Loss Occurred
2a00 Parameters Changed
2a01 Mode Parameters Changed
2a02 Log Parameters Changed
2a03 Reservations Preempted
2a04 Reservations Released
2a05 Registrations Preempted
2a06 Asymmetric Access State Changed
2a07 Implicit Asymmetric Access State Transition Failed
2a08 Priority Changed
2a09 Capacity Data Has Changed
2b00 Copy Cannot Execute Since Host Cannot Disconnect
2c00 Command Sequence Error
2c09 Previous Reservation Conflict Status
2c0a Partition or Collection Contains User Objects
2c0b Not Reserved
2f00 Commands Cleared By Another Initiator
3000 Incompatible Medium Installed
3001 Cannot Read Medium - Unknown Format
3002 Cannot Read Medium - Incompatible Format
3003 Cleaning Cartridge Installed
3004 Cannot Write Medium - Unknown Format
3005 Cannot Write Medium - Incompatible Format
3006 Cannot Format Medium - Incompatible Medium
3007 Cleaning Failure
3100 Medium Format Corrupted
3101 Format Command Failed
3103 Sanitize Command Failed
3200 No Defect Spare Location Available
3201 Defect List Update Failure
3400 Enclosure Failure
3500 Enclosure Services Failure
3501 Unsupported Enclosure Function
3502 Enclosure Services Unavailable
3503 Enclosure Services Transfer Failure
3504 Enclosure Services Transfer Refused
3700 Rounded Parameter
3807 Thin Provisioning Soft Threshold Reached
3900 Saving Parameters Not Supported
3a00 Medium Not Present
3a01 Medium Not Present - Tray Closed
3a02 Medium Not Present - Tray Open
3a03 Medium Not Present - Loadable
3a04 Medium Not Present - Medium Auxiliary Memory Accessible
3b0d Medium Destination Element Full
3b0e Medium Source Element Empty
3b11 Medium Magazine Not Accessible
3b12 Medium Magazine Removed
3b13 Medium Magazine Inserted
3b14 Medium Magazine Locked
3b15 Medium Magazine Unlocked
3d00 Invalid Bits In Identify Message
3e00 Logical Unit Has Not Self-Configured Yet
3e01 Logical Unit Failure
3e02 Timeout On Logical Unit
3e03 Logical Unit Failed Self-Test
3e04 Logical Unit Unable To Update Self-Test Log
3f00 Target Operating Conditions Have Changed
3f01 Microcode Has Been Changed
3f02 Changed Operating Definition
3f03 Inquiry Data Has Changed
3f04 Component Device Attached
3f05 Device Identifier Changed
3f06 Redundancy Group Created Or Modified
3f07 Redundancy Group Deleted
3f08 Spare Created Or Modified
3f09 Spare Deleted
3f0a Volume Set Created Or Modified
3f0b Volume Set Deleted
3f0c Volume Set Deassigned
3f0d Volume Set Reassigned
3f0e Reported LUNs Data Has Changed
3f0f Echo Buffer Overwritten
3f10 Medium Loadable
3f11 Medium Auxiliary Memory Accessible
4200 Self-Test Failure (Should Use 40 Nn)
4300 Message Error
4400 Internal Target Failure
4500 Select Or Reselect Failure
4600 Unsuccessful Soft Reset
4700 SCSI Parity Error
4701 Data Phase CRC Error Detected
4702 SCSI Parity Error Detected During St Data Phase
4703 Information Unit CRC Error Detected
4704 Asynchronous Information Protection Error Detected
4800 Initiator Detected Error Message Received
4900 Invalid Message Error
4a00 Command Phase Error
4b00 Data Phase Error
4c00 Logical Unit Failed Self-Configuration
4d00 Tagged Overlapped Commands (Nn = Queue Tag)
4e00 Overlapped Commands Attempted
5300 Media Load Or Eject Failed
5302 Medium Removal Prevented
5501 System Buffer Full
5502 Insufficient Reservation Resources
5503 Insufficient Resources
5504 Insufficient Registration Resources
5505 Insufficient Access Control Resources
5a00 Operator Request Or State Change Input
5a01 Operator Medium Removal Request
5a02 Operator Selected Write Protect
5a03 Operator Selected Write Permit
5b00 Log Exception
5b01 Threshold Condition Met
5b02 Log Counter At Maximum
5b03 Log List Codes Exhausted
5c00 Change
5c02 Synchronized
5d00 Failure Prediction Threshold Exceeded
5d10 Failure General Hard Drive Failure
5d11 Failure Drive Error Rate Too High
5d12 Failure Data Error Rate Too High
5d13 Failure Seek Error Rate Too High
5d14 Failure Too Many Block Reassigns
5d15 Failure Access Times Too High
5d16 Failure Start Unit Times Too High
5d17 Failure Channel Parametrics
5d18 Failure Controller Detected
5d19 Failure Throughput Performance
5d1a Failure Seek Time Performance
5d1b Failure Spin-Up Retry Count
5d1c Failure Drive Calibration Retry
5d20 Failure General Hard Drive Failure
5d21 Failure Drive Error Rate Too High
5d22 Failure Data Error Rate Too High
5d23 Failure Seek Error Rate Too High
5d24 Failure Too Many Block Reassigns
5d25 Failure Access Times Too High
5d26 Failure Start Unit Times Too High
5d27 Failure Channel Parametrics
5d28 Failure Controller Detected
5d29 Failure Throughput Performance
5d2a Failure Seek Time Performance
5d2b Failure Spin-Up Retry Count
5d2c Failure Drive Calibration Retry
5d30 Impending Failure General Hard Drive
5d31 Impending Failure Drive Error Rate Too High
5d32 Impending Failure Data Error Rate Too High
5d33 Impending Failure Seek Error Rate Too High
5d34 Impending Failure Too Many Block Reassigns
5d35 Impending Failure Access Times Too High
5d36 Impending Failure Start Unit Times Too High
5d37 Impending Failure Channel Parametrics
5d38 Impending Failure Controller Detected
5d39 Impending Failure Throughput Performance
5d3a Impending Failure Seek Time Performance
5d3b Impending Failure Spin-Up Retry Count
5d3c Impending Failure Drive Calibration Retry
5d40 Failure General Hard Drive Failure
5d41 Failure Drive Error Rate Too High
5d42 Failure Data Error Rate Too High
5d43 Failure Seek Error Rate Too High
5d44 Failure Too Many Block Reassigns
5d45 Failure Access Times Too High
5d46 Failure Start Unit Times Too High
5d47 Failure Channel Parametrics
5d48 Failure Controller Detected
5d49 Failure Throughput Performance
5d4a Failure Seek Time Performance
5d4b Failure Spin-Up Retry Count
5d4c Failure Drive Calibration Retry Count
5d50 Failure General Hard Drive Failure
5d51 Failure Drive Error Rate Too High
5d52 Failure Data Error Rate Too High
5d53 Failure Seek Error Rate Too High
5d54 Failure Too Many Block Reassigns
5d55 Failure Access Times Too High
5d56 Failure Start Unit Times Too High
5d57 Failure Channel Parametrics
5d58 Failure Controller Detected
5d59 Failure Throughput Performance
5d5a Failure Seek Time Performance
5d5b Failure Spin-Up Retry Count
5d5c Failure Drive Calibration Retry Count
5d60 Failure General Hard Drive Failure
5d61 Failure Drive Error Rate Too High
5d62 Failure Data Error Rate Too High
5d63 Failure Seek Error Rate Too High
5d64 Failure Too Many Block Reassigns
5d65 Failure Access Times Too High
5d66 Failure Start Unit Times Too High
5d67 Failure Channel Parametrics
5d68 Failure Controller Detected
5d69 Failure Throughput Performance
5d6a Failure Seek Time Performance
5d6b Failure Spin-Up Retry Count
5d6c Failure Drive Calibration Retry Count
5dff Failure Prediction Threshold Exceeded (False)
5e00 Low Power Condition On
5e01 Idle Condition Activated By Timer
5e02 Standby Condition Activated By Timer
5e03 Idle Condition Activated By Command
5e04 Standby Condition Activated By Command
6500 Voltage Fault
`;

const texts: ReadonlyMap<number, string> = new Map(
  table
    .trim()
    .split("\n")
    .map((line) => [Number.parseInt(line.slice(0, 4), 16), line.slice(5)]),
);
